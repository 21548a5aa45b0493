"""The pool: bounded, fair, cancellable, and a vector depends on its text alone."""

import asyncio
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from meshkit.errors import Overloaded
from meshkit.models.embeddings import open_embedder
from meshkit.models.errors import EmbeddingUnavailable
from meshkit.models.onnx_embedder import OnnxEmbedder
from meshkit.models.vectors import MAX_TEXTS, normalised


@dataclass
class SteppedEncoder:
    """Computes nothing; each text waits for `gate`, and the order of texts is kept."""

    name: str = "stepped"
    dimension: int = 2
    max_tokens: int = 8
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    order: list[str] = field(default_factory=list)
    started: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def encode(self, text):
        self.order.append(text)
        self.started.release()
        assert self.gate.acquire(timeout=10)
        if text == "broken":
            raise EmbeddingUnavailable
        return np.array([1.0, 0.0], np.float32)


def open_gate(encoder):
    encoder.gate.release(1_000)


async def started(encoder):
    assert await asyncio.to_thread(encoder.started.acquire, timeout=10)


async def test_vectors_do_not_depend_on_company():
    embedder = await open_embedder(workers=2)
    try:
        await embedder.warm()
        texts = [f"sentence number {i} " + "with more words " * (i % 7) for i in range(30)]
        together = await embedder.embed(texts)
        alone = np.concatenate(await asyncio.gather(*(embedder.embed([text]) for text in texts)))
        assert together.dtype == np.float32
        assert together.shape == (30, embedder.dimension)
        assert np.array_equal(together, alone)
        assert (await embedder.embed([])).shape == (0, embedder.dimension)
    finally:
        await embedder.close()


async def test_refuses_beyond_its_bound_and_recovers():
    encoder = SteppedEncoder()
    embedder = OnnxEmbedder(encoder, max_waiting=2)
    waiting = [asyncio.create_task(embedder.embed([str(i)])) for i in range(2)]
    await started(encoder)
    with pytest.raises(Overloaded) as refused:
        await embedder.embed(["one too many"])
    assert refused.value.retry_after_s
    open_gate(encoder)
    await asyncio.gather(*waiting)
    assert (await embedder.embed(["again"])).shape == (1, 2)
    await embedder.close()


@pytest.mark.parametrize(("characters", "in_hand"), [(5, 16), (400, 2), (5_000, 1)])
async def test_a_question_goes_before_indexing(characters, in_hand):
    encoder = SteppedEncoder()
    embedder = OnnxEmbedder(encoder)
    bulk = asyncio.create_task(embedder.embed([f"{i}".ljust(characters, ".") for i in range(40)]))
    await started(encoder)
    question = asyncio.create_task(embedder.embed(["question"]))
    await asyncio.sleep(0)
    open_gate(encoder)
    await asyncio.gather(bulk, question)
    # Only the slice that was already on its thread comes first: one long text, or short ones of no greater length.
    assert encoder.order.index("question") == in_hand
    await embedder.close()


async def test_indexing_is_not_starved_by_questions():
    encoder = SteppedEncoder()
    embedder = OnnxEmbedder(encoder)
    questions = [asyncio.create_task(embedder.embed([f"q{i}"])) for i in range(40)]
    await started(encoder)
    bulk = asyncio.create_task(embedder.embed([f"bulk{i}".ljust(500, ".") for i in range(8)]))
    await asyncio.sleep(0)
    open_gate(encoder)
    await asyncio.gather(bulk, *questions)
    assert encoder.order.index("bulk7".ljust(500, ".")) < encoder.order.index("q39")
    await embedder.close()


async def test_a_cancelled_call_is_not_computed():
    encoder = SteppedEncoder()
    embedder = OnnxEmbedder(encoder)
    first = asyncio.create_task(embedder.embed(["first"]))
    await started(encoder)
    dropped = asyncio.create_task(embedder.embed(["dropped"] * 20))
    await asyncio.sleep(0)
    dropped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dropped
    open_gate(encoder)
    await first
    await embedder.embed(["last"])
    assert encoder.order == ["first", "last"]
    await embedder.close()


async def test_one_failure_is_that_call_s_alone():
    encoder = SteppedEncoder()
    open_gate(encoder)
    embedder = OnnxEmbedder(encoder)
    results = await asyncio.gather(embedder.embed(["broken"]), embedder.embed(["fine"]), return_exceptions=True)
    assert isinstance(results[0], EmbeddingUnavailable)
    assert results[1].shape == (1, 2)
    await embedder.close()


async def test_close_ends_waiting_calls_and_refuses_new_ones():
    encoder = SteppedEncoder()
    embedder = OnnxEmbedder(encoder)
    waiting = [asyncio.create_task(embedder.embed([str(i)])) for i in range(3)]
    await started(encoder)
    await embedder.close()
    open_gate(encoder)
    assert all(isinstance(r, EmbeddingUnavailable) for r in await asyncio.gather(*waiting, return_exceptions=True))
    with pytest.raises(EmbeddingUnavailable):
        await embedder.embed(["late"])
    await embedder.close()


async def test_too_many_texts_are_a_mistake():
    embedder = OnnxEmbedder(SteppedEncoder())
    with pytest.raises(ValueError, match="at most"):
        await embedder.embed([""] * (MAX_TEXTS + 1))
    await embedder.close()


@pytest.mark.parametrize("row", [[0, 0], [np.nan, 1], [np.inf, 1], [1e-30, 0]])
def test_what_has_no_direction_is_no_vector(row):
    assert normalised(np.array([[1, 0], row], np.float32)) is None
