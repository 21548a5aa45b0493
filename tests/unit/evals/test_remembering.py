"""Vectors that are remembered are those that would be computed."""

from collections.abc import Sequence

import numpy as np
import pytest

from evals import remembering
from evals.remembering import Remembering
from meshkit.models.vectors import Vectors


class Counting:
    """Gives a text its length; remembers what it was asked."""

    name, dimension = "counting", 2

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.array([[len(each), 1] for each in texts], np.float32)

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


async def test_no_text_is_computed_twice_and_each_gets_its_own_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST", 3)
    inner = Counting()
    embedder = Remembering(inner)
    assert (await embedder.embed(["a", "bbb", "a"])).tolist() == [[1, 1], [3, 1], [1, 1]]
    assert (await embedder.embed(["bbb", "cc"])).tolist() == [[3, 1], [2, 1]]
    assert inner.asked == ["a", "bbb", "cc"]
    # Beyond the bound all is forgotten, and nothing is wrong.
    assert (await embedder.embed(["a", "dddd"])).tolist() == [[1, 1], [4, 1]]
    assert (await embedder.embed(["a", "dddd", "cc"])).tolist() == [[1, 1], [4, 1], [2, 1]]
    assert inner.asked == ["a", "bbb", "cc", "dddd", "a", "cc"]
    assert (await embedder.embed([])).shape == (0, 2)
