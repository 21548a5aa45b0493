"""Embeddings: the interface, and the choice of what stands behind it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from meshkit.models import onnx_embedder, onnx_folder
from meshkit.models.endpoint import Endpoint
from meshkit.models.openai_embedder import OpenAIEmbedder
from meshkit.models.vectors import Vectors

DEFAULT_SPEC = "all-minilm-l6-v2"
PLAIN_SPEC = "all-minilm-l6-v2-plain"


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity."""

    @property
    def name(self) -> str:
        """Under which the vectors are stored. Two vectors are comparable only if their names are the same."""

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """float32 (len(texts), dimension), each row of length 1. What a model can't hold of a long text is left out.

        A text's vector does not depend on the texts beside it. Raises Overloaded when too many calls wait,
        EmbeddingUnavailable, EmbeddingTimeout; ValueError for more than `MAX_TEXTS`.
        """

    async def warm(self) -> None:
        """Makes the first call as fast as the others; raises as `embed` does. For before a service reports SERVING."""

    async def close(self) -> None:
        """Ends what runs; calls that wait fail with EmbeddingUnavailable. May be called twice."""


async def open_embedder(
    spec: str = DEFAULT_SPEC,
    models_dir: Path | None = None,
    *,
    workers: int = 1,
    intra_op_threads: int = 1,
    endpoint: Endpoint | None = None,
    dimension: int | None = None,
) -> Embedder:
    """The embedder that `spec` names, loaded and checked.

    - With `endpoint`: the model `spec` of an OpenAI-compatible server; `dimension` is asked for if given, else learned
      from a first call.
    - `all-minilm-l6-v2`, or an empty `spec`: the model that ships; `all-minilm-l6-v2-plain`: the same, by its
      package's own, slower graph.
    - Anything else: a folder, or the name of one in `models_dir`, with an ONNX sentence model (see `onnx_folder`).

    `workers` texts are computed at a time, each on `intra_op_threads` threads. Raises ModelCorrupt if files are
    missing or damaged, and what `embed` raises if the endpoint does not answer.
    """
    if endpoint is not None:
        return await OpenAIEmbedder.open(endpoint, spec, dimension)
    spec = spec or DEFAULT_SPEC
    if spec in (DEFAULT_SPEC, PLAIN_SPEC):
        encoder = await asyncio.to_thread(
            onnx_embedder.load_minilm, plain=spec == PLAIN_SPEC, intra_op_threads=intra_op_threads
        )
    else:
        folder = onnx_folder.find(spec, models_dir)
        encoder = await asyncio.to_thread(onnx_folder.load, folder, intra_op_threads)
    return onnx_embedder.OnnxEmbedder(encoder, workers=workers)
