"""Which of what both legs found is worth reading: each passage that is read costs the server and us."""

from collections.abc import Mapping
from typing import TypeVar

from svc_retrieval import scoring
from svc_retrieval.ranking import Ranking

C = TypeVar("C")

# Passages read for each that is to be shown: some are copies of others, some are held down by their successors.
_READ_PER_SHOWN = 2


def by_promise(words: Mapping[C, float], meaning: Mapping[C, float], *, chunks: int, ranking: Ranking) -> list[C]:
    """The chunks that the legs brought, best first by what is known of them: about BM25 (`words`) and the cosine
    (`meaning`). `chunks` is the size of the corpus that was searched.

    What a leg did not bring counts as the last that it did: it can't be better. Titles, and whether the words stand
    close together, are not known yet.
    """
    least_words, least_meaning = _least(words, chunks, ranking), _least(meaning, chunks, ranking)
    promises = {
        chunk: max(meaning.get(chunk, least_meaning), 0.0)
        + scoring.lexical_worth(words.get(chunk, least_words), chunks, ranking)
        for chunk in {**words, **meaning}
    }
    return sorted(promises, key=promises.__getitem__, reverse=True)


def enough_for(count: int, ranking: Ranking) -> int:
    """How many chunks are read to find the `count` best."""
    return max(ranking.finalists, _READ_PER_SHOWN * count)


def _least(scores: Mapping[C, float], chunks: int, ranking: Ranking) -> float:
    """What a chunk scores at most that is not among `scores`: nothing, if there was room for it."""
    return min(scores.values()) if scores and len(scores) >= min(ranking.candidates, chunks) else 0.0
