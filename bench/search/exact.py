"""The exact answers of a synthetic knowledge base, by the book and by brute force: what every search is held against,
whatever way it takes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[Any]

K1, B = 1.2, 0.75
BEST = 10
_SAME = 1e-6


class Bm25:
    """BM25 of texts whose words stand between spaces. Texts count from 0."""

    def __init__(self, texts: Iterable[str], stems: Mapping[str, str | None] | None = None) -> None:
        """`stems` are those of all words of the texts, None for a stop word; without them each word is its own."""
        numbers: dict[str, int] = {}
        parts, ends = [], []
        for text in texts:
            words = text.split()
            parts.append(np.fromiter((numbers.setdefault(each, len(numbers)) for each in words), np.int64, len(words)))
            ends.append(len(words))
        self._stem_of = stems
        stem_numbers: dict[str, int] = {}
        of_word = np.full(len(numbers), -1, dtype=np.int64)
        for word, number in numbers.items():
            if (stem := self._stem(word)) is not None:
                of_word[number] = stem_numbers.setdefault(stem, len(stem_numbers))
        held = of_word[np.concatenate(parts)] if parts else np.empty(0, np.int64)
        chunks = np.repeat(np.arange(len(ends)), ends)[held >= 0]
        held = held[held >= 0]
        self._count = len(ends)
        self._lengths = np.bincount(chunks, minlength=self._count).astype(np.float64)
        self._numbers = stem_numbers
        # Sorted by stem, then by text: a stem's texts are a slice.
        pairs, self._frequencies = np.unique(held * self._count + chunks, return_counts=True)
        self._texts = pairs % max(self._count, 1)
        self._starts = np.searchsorted(pairs, np.arange(len(stem_numbers) + 1) * self._count)

    def _stem(self, word: str) -> str | None:
        return word if self._stem_of is None else self._stem_of.get(word)

    def scores(self, question: str) -> Scores:
        """Each text's score: 0 where no word of the question stands in it. A word of the question counts once."""
        scores = np.zeros(self._count)
        mean = self._lengths.mean() or 1.0
        for stem in sorted({stem for word in question.split() if (stem := self._stem(word)) is not None}):
            number = self._numbers.get(stem)
            if number is None:
                continue
            own = slice(self._starts[number], self._starts[number + 1])
            texts, frequencies = self._texts[own], self._frequencies[own]
            idf = math.log(1 + (self._count - len(texts) + 0.5) / (len(texts) + 0.5))
            norm = K1 * (1 - B + B * self._lengths[texts] / mean)
            scores[texts] += idf * frequencies * (K1 + 1) / (frequencies + norm)
        return scores


def share_of_best(scores: Scores, found: Sequence[int]) -> float:
    """How much of the exact best ten is in `found`: 0 to 1. One of equal score is as good; what scores 0 is none of the
    best, and where there are no best, all of them are found."""
    wanted = min(BEST, int((scores > 0).sum()))
    if not wanted:
        return 1.0
    least = float(np.partition(scores, -wanted)[-wanted])
    return min(sum(float(scores[each]) >= least - _SAME for each in set(found)), wanted) / wanted


def in_order(scores: Scores) -> list[int]:
    """The texts that score more than 0, best first; of equals the first."""
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    return order[: int((scores > 0).sum())]
