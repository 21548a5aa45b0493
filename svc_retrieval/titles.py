"""How near a question is to what passages are headed by. Titles are few and short: their vectors are kept at hand."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from meshkit.models.embeddings import Embedder
from meshkit.models.vectors import Vectors
from meshkit.text.lexemes import identifier_lexemes
from meshkit.text.words import words
from svc_retrieval.store.search import Passage

MOST_KEPT = 20_000
_MOST_CHARS = 300


def headings(passage: Passage) -> tuple[str, ...]:
    """What stands over a passage: the way of asking that a record is found by, else its title and innermost heading."""
    asked = passage.metadata.get("question")
    if asked:
        return (str(asked)[:_MOST_CHARS],)
    path = passage.metadata.get("heading_path") or ()
    return tuple(dict.fromkeys(str(each)[:_MOST_CHARS] for each in (passage.title, *path[-1:]) if each))


@lru_cache(maxsize=MOST_KEPT)
def stems(title: str, configuration: str) -> frozenset[str]:
    """The stems of a title's words, without (English) stop words. `configuration` is its passage's."""
    if configuration:
        return frozenset(each.stem for each in words(title, configuration))
    return frozenset(each.stem for each in words(title) if not each.stop)


@lru_cache(maxsize=MOST_KEPT)
def identifiers(title: str) -> frozenset[str]:
    """The lexemes of the identifiers in a title."""
    return frozenset(identifier_lexemes(title))


class Titles:
    """Vectors of titles, of which the `most_kept` used last stay in memory."""

    def __init__(self, embedder: Embedder, most_kept: int = MOST_KEPT) -> None:
        self._embedder = embedder
        self._most_kept = most_kept
        self._kept: OrderedDict[str, Vectors] = OrderedDict()

    async def cosines(self, vector: Vectors, passages: Sequence[Passage]) -> list[float | None]:
        """For each passage the cosine of the question's `vector` to the nearest of its headings; None without any.

        Raises what the embedder raises.
        """
        over = [headings(each) for each in passages]
        known = await self._vectors(list(dict.fromkeys(text for texts in over for text in texts)))
        return [max((float(known[text] @ vector) for text in texts), default=None) for texts in over]

    async def _vectors(self, texts: Sequence[str]) -> dict[str, Vectors]:
        found: dict[str, Vectors] = {}
        for text in texts:
            if text in self._kept:
                self._kept.move_to_end(text)
                found[text] = self._kept[text]
        missing = [text for text in texts if text not in found]
        if missing:
            rows = await self._embedder.embed(missing)
            for text, row in zip(missing, rows, strict=True):
                found[text] = self._kept[text] = np.ascontiguousarray(row)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        return found
