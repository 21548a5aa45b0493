"""An embedder that computes no text twice: the questions of a set meet the same passages again and again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meshkit.models.embeddings import Embedder
from meshkit.models.vectors import Vectors

MOST = 100_000
"""Texts that are kept: with 384 numbers each, 150 MB."""


class Remembering:
    """What `embedder` gives, to the bit: by its contract a text's vector does not depend on the texts beside it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, NDArray[np.float32]] = {}

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        known = {each: self._known[each] for each in texts if each in self._known}
        new = list(dict.fromkeys(each for each in texts if each not in known))
        known |= dict(zip(new, await self._embedder.embed(new), strict=True)) if new else {}
        if len(self._known) + len(new) > MOST:
            self._known.clear()
        self._known |= {each: known[each] for each in new}
        rows = [known[each] for each in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    async def warm(self) -> None:
        await self._embedder.warm()

    async def close(self) -> None:
        await self._embedder.close()
