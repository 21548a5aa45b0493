"""A cross-encoder in a folder: here one that counts on which words a pair agrees with itself."""

import asyncio

import numpy as np
import pytest

from meshkit.models import minilm
from meshkit.models.errors import ChatTimeout, ChatUnavailable, ModelCorrupt
from meshkit.models.onnx_file import GraphWriter
from meshkit.models.reranking import open_reranker

RIGHT = "reset"


def write(folder, *, outputs=1):
    """A model whose logit is the sum of what a table gives for the second text's tokens: 3 for "reset", else -0.1."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = minilm.vocabulary()
    (folder / "vocab.txt").write_text(
        "\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n", encoding="utf-8"
    )
    table = np.full((len(vocabulary), 1), -0.1, np.float32)
    table[vocabulary[RIGHT]] = 3
    graph = GraphWriter("pairs", {"": 17})
    ids = graph.input("input_ids", np.int64, ("n", "s"))
    segments = graph.input("token_type_ids", np.int64, ("n", "s"))
    values = graph.node("Gather", [graph.weight("table", table), ids], "values")
    second = graph.node("Cast", [segments], "second", to=1)
    axis = graph.weight("axis", np.array([2], np.int64))
    masked = graph.node("Mul", [values, graph.node("Unsqueeze", [second, axis], "mask")], "masked")
    logit = graph.node("ReduceMean", [masked], "mean", axes=[1], keepdims=0)
    if outputs == 1:
        graph.output(logit, np.float32, ("n", 1))
    else:
        both = [graph.node("Neg", [logit], "no"), *([logit] * (outputs - 1))]
        graph.output(graph.node("Concat", both, "logits", axis=1), np.float32, ("n", outputs))
    (folder / "model.onnx").write_bytes(graph.to_bytes())
    return folder


@pytest.mark.parametrize("outputs", [1, 2])
async def test_pairs_are_scored_by_what_stands_in_the_second_text(tmp_path, outputs):
    reranker = await open_reranker(str(write(tmp_path / "ours", outputs=outputs)))
    texts = ["Press the button.", "To reset it, press reset.", "Reset.", "", "\ud800" * 9, "word " * 20_000]
    scores = await reranker.scores("How do I reset it?", texts, deadline_s=20)
    await reranker.close()
    assert all(0 <= each <= 1 for each in scores)
    assert scores[1] > scores[2] > 0.5 > scores[0], "twice, once, never"
    assert reranker.name.startswith("ours@")
    with pytest.raises(ChatUnavailable):
        await reranker.scores("a", ["b"], deadline_s=1)


async def test_it_is_found_by_name_and_another_file_is_another_model(tmp_path):
    write(tmp_path / "ours")
    first = await open_reranker("ours", tmp_path)
    write(tmp_path / "ours", outputs=2)
    second = await open_reranker("ours", tmp_path)
    assert first.name != second.name
    await first.close()
    await second.close()


async def test_out_of_time_it_gives_nothing_and_goes_on_after(tmp_path):
    reranker = await open_reranker(str(write(tmp_path / "ours")))
    with pytest.raises(ChatTimeout):
        await reranker.scores("a", ["b " * 4000] * 2000, deadline_s=0.05)
    assert len(await reranker.scores("a", ["b"], deadline_s=20)) == 1
    calls = [asyncio.create_task(reranker.scores("a", ["b " * 4000] * 2000, deadline_s=0.5)) for _ in range(20)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in outcomes} == {ChatTimeout, ChatUnavailable}, "what may wait is bounded"
    await reranker.close()


async def test_what_is_no_model_of_pairs_is_refused(tmp_path):
    with pytest.raises(ModelCorrupt, match="no score"):
        await open_reranker(str(write(tmp_path / "three", outputs=3)))
    (write(tmp_path / "broken") / "model.onnx").write_bytes(b"no")
    with pytest.raises(ModelCorrupt, match="onnxruntime"):
        await open_reranker(str(tmp_path / "broken"))
    with pytest.raises(ModelCorrupt, match="neither a known name nor a folder"):
        await open_reranker(str(tmp_path / "nowhere"))
