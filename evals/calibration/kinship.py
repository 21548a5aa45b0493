"""Which other passages say what a page says: copies, other versions, and the same statement made elsewhere.

A page that is taken away to see whether the gate notices takes these with it: else what is counted as a wrong answer
would often be a right one from another page. Passages are compared with the page, never with the question, so that
what is left is not chosen by what the gate looks at.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from evals.calibration.questions import Page, Question
from meshkit.text.words import words

ALIKE = 0.45
"""Cosine of weighted words from which two passages are taken to tell the same."""
STATED = 0.75
"""Share of a sentence's weight from which a passage is taken to state it."""
_SHINGLE = 5
_COPIED = 0.5
_SAME_TITLE = 0.6
_NUMBERED = re.compile(r"\d")


class Kinship:
    """Compares passages with `pages`, by words weighted with their rarity there."""

    def __init__(self, pages: Sequence[Page]) -> None:
        texts = [each.text for page in pages for each in page.passages]
        counts = Counter(stem for text in texts for stem in _stems(text))
        self._unseen = math.log(len(texts) + 1)
        self._idf = {stem: math.log((len(texts) + 1) / count) for stem, count in counts.items()}

    def tells_the_same(self, question: Question, title: str, text: str) -> bool:
        """Whether a passage of a page with this title tells what the question's page does, or what was asked from."""
        page = question.page
        if page is None:
            return False
        return (
            _same_title(page.title, title)
            or any(_copied(text, each.text) or self._alike(text, each.text) for each in page.passages)
            or self._states(f"{title}\n{text}", question.said)
        )

    def _alike(self, one: str, other: str) -> bool:
        first, second = self._weights(one), self._weights(other)
        dot = math.fsum(weight * second[stem] for stem, weight in first.items() if stem in second)
        return dot >= ALIKE * _norm(first) * _norm(second) > 0

    def _weights(self, text: str) -> Mapping[str, float]:
        return {stem: self._idf.get(stem, self._unseen) for stem in _stems(text)}

    def _states(self, text: str, sentence: str) -> bool:
        weights = self._weights(sentence)
        if len(weights) < 4:
            return False
        there = _stems(text)
        return math.fsum(weight for stem, weight in weights.items() if stem in there) >= STATED * math.fsum(
            weights.values()
        )


def _norm(weights: Mapping[str, float]) -> float:
    return math.sqrt(math.fsum(each * each for each in weights.values()))


def _same_title(one: str, other: str) -> bool:
    """Titles alike but for numbers: 'Reset a Lumen 2' and 'Reset a Lumen 3'."""
    first, second = (frozenset(each for each in _stems(title) if not _NUMBERED.search(each)) for title in (one, other))
    return bool(first) and len(first & second) >= _SAME_TITLE * len(first | second)


def _copied(one: str, other: str) -> bool:
    first = _shingles(one)
    return bool(first) and len(first & _shingles(other)) >= _COPIED * len(first)


@lru_cache(maxsize=65_536)
def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    said = text.lower().split()
    return frozenset(tuple(said[at : at + _SHINGLE]) for at in range(len(said) - _SHINGLE + 1))


@lru_cache(maxsize=65_536)
def _stems(text: str) -> frozenset[str]:
    return frozenset(_kept(text))


def _kept(text: str) -> Iterable[str]:
    return (word.stem for word in words(text) if not word.stop)
