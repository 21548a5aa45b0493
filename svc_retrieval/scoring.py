"""What each signal says of a passage, and what they say together. Pure functions."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from meshkit.text.lexemes import IDENTIFIER_PREFIX
from svc_retrieval.ranking import Ranking

Positions = tuple[int, ...]
# A passage's words that the question has too, with their places among its words (none for an identifier).
Held = Mapping[str, Positions]
_KNEE = 0.9


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the question. `positions` are its places in the question; `df` counts the chunks that hold it.
    `configuration` is the one that stemmed it, "" for the knowledge base's own."""

    lexeme: str
    df: int
    idf: float
    positions: Positions
    configuration: str = ""

    @property
    def stem(self) -> str:
        """The lexeme without the name of its configuration."""
        return self.lexeme.removeprefix(f"{self.configuration}:") if self.configuration else self.lexeme

    @property
    def is_identifier(self) -> bool:
        return self.lexeme.startswith(IDENTIFIER_PREFIX)


@dataclass(frozen=True, slots=True)
class Signals:
    """One passage's raw values. `cosine` is None where the passage has no vector of the model in use, `title_cosine`
    where it was not among the finalists; `title_asks` says whether that title is a question. `identifiers` and
    `together` are idf, in nats: of the question's identifiers that it holds, and of the question's words that stand
    closest together."""

    bm25: float
    cosine: float | None
    coverage: float
    bigram: float
    identifiers: float = 0.0
    together: float = 0.0
    title_overlap: float = 0.0
    title_cosine: float | None = None
    title_asks: bool = False
    another_version: bool = False


def bm25(terms: Sequence[Term], held: Held, *, words: int, mean_words: float, ranking: Ranking) -> float:
    """Okapi BM25 of a passage of `words` words, in a corpus of `mean_words` on average. 0 without a common word."""
    length = ranking.k1 * (1 - ranking.b + ranking.b * words / max(mean_words, 1.0))
    total = 0.0
    for term in terms:
        if term.lexeme in held:
            tf = max(len(held[term.lexeme]), 1)
            total += term.idf * tf * (ranking.k1 + 1) / (tf + length)
    return total


def coverage(reading: "Reading", held: Held) -> float:
    """The share of the question's weight whose words the passage holds, 0 to 1. A word nobody uses weighs most."""
    whole = reading.weight
    return math.fsum(term.idf for term in reading.terms if term.lexeme in held) / whole if whole > 0 else 0.0


def identifiers(terms: Sequence[Term], held: Held, headings: Collection[str]) -> float:
    """The idf of the question's identifiers that the passage holds as they were written; twice for those that stand in
    its `headings`, too: who names a code wants the page about it more than one that mentions it."""
    asked = (term for term in terms if term.is_identifier and term.lexeme in held)
    return math.fsum(term.idf * (1 + (term.lexeme in headings)) for term in asked)


def neighbours(terms: Sequence[Term]) -> list[tuple[str, str, int]]:
    """The question's words that follow one another, with their distance (above 1 where a stop word stood between)."""
    places = sorted((position, term.lexeme) for term in terms for position in term.positions)
    return [(first, second, after - before) for (before, first), (after, second) in pairwise(places)]


@dataclass(frozen=True, slots=True)
class Reading:
    """A question as passages of one text configuration can hold it. `stems` are those of its words, without
    identifiers; `weight` is the idf of all its terms."""

    terms: Sequence[Term]
    neighbours: Sequence[tuple[str, str, int]]
    stems: frozenset[str]
    weight: float

    @classmethod
    def of(cls, terms: Sequence[Term]) -> "Reading":
        """The reading in these words."""
        stems = frozenset(term.stem for term in terms if term.positions)
        return cls(terms, neighbours(terms), stems, math.fsum(term.idf for term in terms))


def bigram(pairs: Sequence[tuple[str, str, int]], held: Held) -> float:
    """The share of the question's neighbours that stand as close in the passage, in that order; 0 to 1."""
    if not pairs:
        return 0.0
    found = 0
    for first, second, distance in pairs:
        before, after = held.get(first), held.get(second)
        # Most passages hold neither.
        if before and after:
            found += any(place + step in after for place in before for step in range(1, distance + 1))
    return found / len(pairs)


def together(terms: Sequence[Term], held: Held, span: int) -> float:
    """The most idf of the question's words, each counted once, that stands within `span` words of the passage."""
    idf = {term.lexeme: term.idf for term in terms if term.lexeme in held}
    places = sorted((place, lexeme) for lexeme in idf for place in held[lexeme])
    within = dict.fromkeys(idf, 0)
    best = total = 0.0
    first = 0
    for place, lexeme in places:
        if not within[lexeme]:
            total += idf[lexeme]
        within[lexeme] += 1
        while places[first][0] < place - span:
            left = places[first][1]
            within[left] -= 1
            if not within[left]:
                total -= idf[left]
            first += 1
        if total > best:
            best = total
    return best


def title_overlap(reading: Reading, title: Collection[str]) -> float:
    """How alike question and title are by their words (Dice), 0 to 1. `title` are its stems without stop words."""
    words = reading.stems
    return 2 * len(words.intersection(title)) / (len(words) + len(title)) if words and title else 0.0


def first_sum(signals: Signals, reading: Reading, chunks: int, ranking: Ranking) -> float:
    """All signals together but the title's cosine, ≥ 0. `chunks` is the size of the terms' corpus."""
    weights = ranking.weights
    # All three say how much the passage tells of the question; each is fooled by something else.
    told = (signals.bm25 + signals.together + signals.bigram * reading.weight) / 2
    total = (
        max(signals.cosine or 0.0, 0.0)
        + lexical_worth(told, chunks, ranking)
        + weights.identifier * min(signals.identifiers, ranking.most_identifying)
        + weights.title_overlap * signals.title_overlap
    )
    return max(total - weights.another_version, 0.0) if signals.another_version else total


def lexical_worth(told: float, chunks: int, ranking: Ranking) -> float:
    """What `told` nats of lexical evidence add to the sum."""
    chance = min(ranking.least_lexical, ranking.least_share * rarest(chunks))
    return ranking.weights.lexical * min(max(told - chance, 0.0), ranking.most_lexical)


def title_worth(signals: Signals, ranking: Ranking) -> float:
    """What the title's cosine adds to the sum; of a title that asks it may be less than nothing."""
    title = max(signals.title_cosine or 0.0, 0.0)
    instead = 0.0
    if signals.title_asks and signals.cosine is not None:
        instead = ranking.weights.title_instead * (title - max(signals.cosine, 0.0))
    return ranking.weights.title_cosine * title + instead


def rarest(chunks: int) -> float:
    """What a word tells that no chunk has, in nats."""
    return math.log(2 * chunks + 2)


def score(total: float, ranking: Ranking) -> float:
    """A sum of signals as a score, 0 to 1, comparable over questions."""
    share = max(total, 0.0) / ranking.certain
    return share if share <= _KNEE else 1 - (1 - _KNEE) * math.exp(-(share - _KNEE) / (1 - _KNEE))


def ranks(values: Sequence[float | None]) -> list[int]:
    """Places from 1 by descending value; equal values share a place. 0 for None: the signal did not see it."""
    ordered = sorted((value for value in values if value is not None), reverse=True)
    places: dict[float, int] = {}
    for place, value in enumerate(ordered, start=1):
        places.setdefault(value, place)
    return [0 if value is None else places[value] for value in values]
