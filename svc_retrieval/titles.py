"""How near a question is to what passages are headed by. Titles are few and short: their vectors are kept at hand."""

import re
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

_QUESTION_MARKS = ("?", "\uff1f", "\u061f")
# "How to", "What is", "Which plan does": but not "How it works", "What's new", "May".
_ASKS = re.compile(
    r"(?:how (?:to|do|does|did|can|could|should|many|much|long|often)"
    r"|(?:what|when|where|why|who|which|how) (?:\w+ )?(?:is|are|was|were|do|does|did|can|could|should|will|would)"
    r"|(?:can|could|should|may|do|must) (?:i|we)|(?:is|are) there|does)\b",
    re.IGNORECASE,
)


def headings(passage: Passage) -> tuple[str, ...]:
    """What stands over a passage: the way of asking that a record is found by, else its title and innermost heading."""
    asked = passage.metadata.get("question")
    if asked:
        return (str(asked)[:_MOST_CHARS],)
    path = passage.metadata.get("heading_path") or ()
    return tuple(dict.fromkeys(str(each)[:_MOST_CHARS] for each in (passage.title, *path[-1:]) if each))


def asks(title: str) -> bool:
    """Whether a title is a question, by its mark in any language, or by how it begins in English."""
    return title.rstrip().endswith(_QUESTION_MARKS) or _ASKS.match(title) is not None


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

    async def nearest(self, vector: Vectors, passages: Sequence[Passage]) -> list[tuple[float | None, str]]:
        """For each passage the nearest of its headings to the question's `vector`, with its cosine; None without any.

        Raises what the embedder raises.
        """
        over = [headings(each) for each in passages]
        known = await self._vectors(list(dict.fromkeys(text for texts in over for text in texts)))
        return [max(((float(known[text] @ vector), text) for text in texts), default=(None, "")) for texts in over]

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
