"""Any sentence model in a folder serves as well."""

import json
import shutil

import numpy as np
import pytest

from meshkit.models import minilm
from meshkit.models.embeddings import open_embedder
from meshkit.models.errors import ModelCorrupt
from meshkit.models.onnx_embedder import load_minilm
from meshkit.models.onnx_file import GraphWriter


@pytest.fixture
def folder(tmp_path):
    """The shipped model as a folder of its own, with a plain vocabulary."""
    folder = tmp_path / "models" / "ours"
    folder.mkdir(parents=True)
    shutil.copyfile(minilm.model_path(), folder / "model.onnx")
    words = sorted(minilm.vocabulary(), key=minilm.vocabulary().__getitem__)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


async def test_a_folder_gives_what_the_model_gives(folder):
    embedder = await open_embedder("ours", folder.parent)
    vectors = await embedder.embed(minilm.PROBES)
    await embedder.close()
    assert (vectors * minilm.probe_vectors()).sum(axis=1).min() > 0.9999
    assert embedder.dimension == minilm.DIMENSION


async def test_tokenizer_json_and_vocabulary_agree(folder):
    first = await open_embedder(str(folder))
    expected = await first.embed(["Grüße, world 42!"])
    await first.close()
    load_minilm().tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()
    second = await open_embedder(str(folder))
    assert np.array_equal(await second.embed(["Grüße, world 42!"]), expected)
    await second.close()


async def test_pooling_and_length_are_read_and_change_the_name(folder):
    mean = await open_embedder(str(folder))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 16}))
    cls = await open_embedder(str(folder))
    assert cls.name != mean.name
    assert cls.name.startswith("ours@")
    text = "a fairly long sentence " * 20
    assert (await cls.embed([text]))[0] @ (await mean.embed([text]))[0] < 0.99
    await mean.close()
    await cls.close()


async def test_a_model_that_pools_itself_is_taken_as_it_is(folder):
    graph = GraphWriter("pooled", {"": 17})
    ids = graph.input("input_ids", np.int64, ("n", "s"))
    table = graph.weight("table", np.random.default_rng(7).normal(size=(31_000, 5)).astype(np.float32))
    rows = graph.node("Gather", [table, ids], "rows")
    graph.output(graph.node("ReduceMean", [rows], "pooled", axes=[1], keepdims=0), np.float32, ("n", 5))
    (folder / "model.onnx").write_bytes(graph.to_bytes())
    embedder = await open_embedder(str(folder))
    assert (await embedder.embed(["a", "b"])).shape == (2, 5)
    await embedder.close()


@pytest.mark.parametrize(
    ("broken", "says"),
    [("model.onnx", "onnxruntime"), ("vocab.txt", "tokenizer"), ("sentence_bert_config.json", "JSON")],
)
async def test_what_is_damaged_is_named(folder, broken, says):
    (folder / broken).write_bytes(b"\xff\x00 nothing of the kind")
    with pytest.raises(ModelCorrupt, match=says):
        await open_embedder(str(folder))


@pytest.mark.parametrize(("missing", "says"), [("model.onnx", "no model.onnx"), ("vocab.txt", "neither")])
async def test_what_is_missing_is_named(folder, missing, says):
    (folder / missing).unlink()
    with pytest.raises(ModelCorrupt, match=says):
        await open_embedder(str(folder))


async def test_an_unknown_name_is_refused(tmp_path):
    with pytest.raises(ModelCorrupt, match="no embedding model"):
        await open_embedder("no-such-model", tmp_path)
