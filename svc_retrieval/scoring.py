"""What each signal says of a passage, and what they say together. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from svc_retrieval.ranking import Ranking

Positions = tuple[int, ...]
# A passage's words that the question has too, with their places among its words (none for an identifier).
Held = Mapping[str, Positions]


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the question. `positions` are its places in the question; `df` counts the chunks that hold it."""

    lexeme: str
    df: int
    idf: float
    positions: Positions


@dataclass(frozen=True, slots=True)
class Signals:
    """One passage's raw values. `cosine` is None where the passage has no vector of the model in use."""

    bm25: float
    cosine: float | None
    coverage: float
    bigram: float


def bm25(terms: Sequence[Term], held: Held, *, words: int, mean_words: float, ranking: Ranking) -> float:
    """Okapi BM25 of a passage of `words` words, in a corpus of `mean_words` on average. 0 without a common word."""
    length = ranking.k1 * (1 - ranking.b + ranking.b * words / max(mean_words, 1.0))
    total = 0.0
    for term in terms:
        if term.lexeme in held:
            tf = max(len(held[term.lexeme]), 1)
            total += term.idf * tf * (ranking.k1 + 1) / (tf + length)
    return total


def coverage(terms: Sequence[Term], held: Held) -> float:
    """The share of the question's weight whose words the passage holds, 0 to 1. A word nobody uses weighs most."""
    whole = sum(term.idf for term in terms)
    return sum(term.idf for term in terms if term.lexeme in held) / whole if whole > 0 else 0.0


def neighbours(terms: Sequence[Term]) -> list[tuple[str, str, int]]:
    """The question's words that follow one another, with their distance (above 1 where a stop word stood between)."""
    places = sorted((position, term.lexeme) for term in terms for position in term.positions)
    return [(first, second, after - before) for (before, first), (after, second) in pairwise(places)]


def bigram(pairs: Sequence[tuple[str, str, int]], held: Held) -> float:
    """The share of the question's neighbours that stand as close in the passage, in that order; 0 to 1."""
    if not pairs:
        return 0.0
    found = 0
    for first, second, distance in pairs:
        after = set(held.get(second, ()))
        found += any(place + step in after for place in held.get(first, ()) for step in range(1, distance + 1))
    return found / len(pairs)


def fuse(passages: Sequence[Signals], terms: Sequence[Term], ranking: Ranking) -> list[float]:
    """One score for each passage, 0 to 1, comparable over questions."""
    ideal = sum(term.idf for term in terms)
    best = max((each.bm25 for each in passages), default=0.0)
    norm = max(best, ideal)
    # What can't say anything about this question has no weight in it.
    bm25_weight = ranking.bm25_weight if terms else 0.0
    coverage_weight = ranking.coverage_weight if terms else 0.0
    bigram_weight = ranking.bigram_weight if len(neighbours(terms)) > 0 else 0.0
    weight = bm25_weight + ranking.cosine_weight + coverage_weight + bigram_weight
    return [
        (
            (bm25_weight * each.bm25 / norm if norm > 0 else 0.0)
            + ranking.cosine_weight * min(max(each.cosine or 0.0, 0.0), 1.0)
            + coverage_weight * each.coverage
            + bigram_weight * each.bigram
        )
        / weight
        for each in passages
    ]


def ranks(values: Sequence[float | None]) -> list[int]:
    """Places from 1 by descending value; equal values share a place. 0 for None: the signal did not see it."""
    ordered = sorted((value for value in values if value is not None), reverse=True)
    places: dict[float, int] = {}
    for place, value in enumerate(ordered, start=1):
        places.setdefault(value, place)
    return [0 if value is None else places[value] for value in values]
