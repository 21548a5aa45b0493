"""Embeddings on this machine: a bounded pool of threads over one ONNX model."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from meshkit.errors import Overloaded
from meshkit.models import minilm
from meshkit.models.errors import EmbeddingUnavailable, ModelCorrupt
from meshkit.models.onnx_encoder import Encoder, bert_tokenizer, open_session
from meshkit.models.vectors import FAILURES, MAX_TEXTS, SECONDS, TEXTS, Vectors
from meshkit.telemetry import gauge, get_logger

log = get_logger(__name__)

WAITING = gauge("groundline_embedding_waiting_calls", "Calls that wait for a free thread or are being computed.")

# A call of so few texts is someone waiting for an answer; a larger one is indexing, and gives way.
_INTERACTIVE_TEXTS = 4
# What a thread takes at a time, and so what an interactive call may have to wait for: one long text, or several short
# ones, which come to no more together. A text costs by its length, and each hand-over costs the same.
_SLICE_TEXTS, _SLICE_CHARACTERS = 16, 1_000
# Every so often indexing goes first, so that a stream of questions can't stop it.
_INTERACTIVE_IN_A_ROW = 8
_LEAST_COSINE = 0.99


@dataclass(slots=True)
class _Call:
    texts: Sequence[str]
    vectors: Vectors
    done: asyncio.Future[None]
    taken: int = 0
    finished: int = 0


class OnnxEmbedder:
    """An `Embedder` over an `Encoder`.

    Texts are computed one at a time, never as a padded batch: on a CPU that is at least as fast, and makes a vector a
    function of its text alone. `workers` threads share the model; interactive calls go before indexing; beyond
    `max_waiting` calls new ones are refused. Belongs to the event loop that first calls it.
    """

    def __init__(self, encoder: Encoder, *, workers: int = 1, max_waiting: int = 256) -> None:
        self._encoder = encoder
        self._workers = workers
        self._max_waiting = max_waiting
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="embed")
        self._interactive: deque[_Call] = deque()
        self._bulk: deque[_Call] = deque()
        self._running = 0
        self._in_a_row = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if len(texts) > MAX_TEXTS:
            raise ValueError(f"{len(texts)} texts in one call; at most {MAX_TEXTS}")
        vectors: Vectors = np.zeros((len(texts), self.dimension), np.float32)
        if not texts:
            return vectors
        started = time.monotonic()
        try:
            if self._closed:
                raise EmbeddingUnavailable
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded(retry_after_s=1)
            await self._queued(list(texts), vectors)
        except Exception as exc:
            FAILURES.labels("local", "overloaded" if isinstance(exc, Overloaded) else "unavailable").inc()
            raise
        TEXTS.labels("local").inc(len(texts))
        SECONDS.labels("local").observe(time.monotonic() - started)
        return vectors

    async def warm(self) -> None:
        # A short and a full-length text: the runtime plans its memory by length.
        await self.embed(["warm", "warm " * self._encoder.max_tokens])

    async def close(self) -> None:
        self._closed = True
        for done in tuple(self._waiting):
            if not done.done():
                done.set_exception(EmbeddingUnavailable())
        # What a thread computes now ends by itself within a slice's time.
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _queued(self, texts: Sequence[str], vectors: Vectors) -> None:
        done = asyncio.get_running_loop().create_future()
        self._waiting.add(done)
        WAITING.inc()
        try:
            (self._interactive if len(texts) <= _INTERACTIVE_TEXTS else self._bulk).append(_Call(texts, vectors, done))
            self._hand_out()
            await done
        finally:
            self._waiting.discard(done)
            WAITING.dec()

    def _hand_out(self) -> None:
        """Gives each free thread a slice of what waits."""
        while self._running < self._workers and (call := self._next()) is not None:
            first = call.taken
            call.taken = _end_of_slice(call.texts, first)
            if call.taken < len(call.texts):
                self._bulk.append(call)
            self._running += 1
            work = asyncio.get_running_loop().run_in_executor(self._pool, self._compute, call, first, call.taken)
            work.add_done_callback(lambda future, call=call: self._computed(future, call))  # type: ignore[misc]

    def _next(self) -> _Call | None:
        while self._interactive or self._bulk:
            bulk_now = not self._interactive or (self._bulk and self._in_a_row >= _INTERACTIVE_IN_A_ROW)
            self._in_a_row = 0 if bulk_now else self._in_a_row + 1
            call = (self._bulk if bulk_now else self._interactive).popleft()
            if not call.done.done():
                return call
        return None

    def _compute(self, call: _Call, first: int, end: int) -> int:
        for index in range(first, end):
            if call.done.done():
                break
            call.vectors[index] = self._encoder.encode(call.texts[index])
        return end - first

    def _computed(self, future: asyncio.Future[int], call: _Call) -> None:
        self._running -= 1
        if not call.done.done():
            if future.cancelled():
                call.done.cancel()
            elif (failure := future.exception()) is not None:
                call.done.set_exception(failure)
            else:
                call.finished += future.result()
                if call.finished == len(call.texts):
                    call.done.set_result(None)
        if not self._closed:
            self._hand_out()


def _end_of_slice(texts: Sequence[str], first: int) -> int:
    end, characters = first + 1, len(texts[first])
    while end < min(len(texts), first + _SLICE_TEXTS):
        characters += len(texts[end])
        if characters > _SLICE_CHARACTERS:
            break
        end += 1
    return end


def load_minilm(*, plain: bool = False, intra_op_threads: int = 1) -> Encoder:
    """The model that ships, held to known vectors. Blocking, about a second. ModelCorrupt if it can't be trusted."""
    path = minilm.model_path()
    tokenizer = bert_tokenizer(minilm.vocabulary(), minilm.MAX_TOKENS)
    if plain:
        session = open_session(path, intra_op_threads)
        encoder = Encoder(minilm.PLAIN_NAME, minilm.DIMENSION, minilm.MAX_TOKENS, tokenizer, session)
        if probe(encoder) >= _LEAST_COSINE:
            return encoder
    else:
        # The weights' signed form is a third faster, but wrong on CPUs whose multiplication saturates.
        for unsigned in (False, True):
            session = open_session(minilm.fused_graph(path, unsigned=unsigned), intra_op_threads)
            encoder = Encoder(minilm.FUSED_NAME, minilm.DIMENSION, minilm.MAX_TOKENS, tokenizer, session)
            cosine = probe(encoder)
            if cosine >= _LEAST_COSINE:
                return encoder
            log.warning("embedding_probe_failed", unsigned=unsigned, cosine=round(cosine, 4))
    raise ModelCorrupt("the embedding model does not compute the known vectors on this machine")


def probe(encoder: Encoder) -> float:
    """The least cosine between the probes' vectors as known and as this encoder computes them."""
    computed = np.stack([encoder.encode(text) for text in minilm.PROBES])
    return float((computed * minilm.probe_vectors()).sum(axis=1).min())
