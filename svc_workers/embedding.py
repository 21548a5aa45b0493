"""Vectors for passages, in batches that leave room for other work between them."""

from collections.abc import Sequence
from typing import Any

from meshkit.models.embeddings import Embedder

BATCH = 32


async def embed_all(embedder: Embedder, texts: Sequence[str]) -> list[Any]:
    """A vector for each text, in their order. Call it outside of transactions: it takes seconds for a large page."""
    vectors: list[Any] = []
    for first in range(0, len(texts), BATCH):
        vectors.extend(await embedder.embed(texts[first : first + BATCH]))
    return vectors
