"""What is counted over follow-up questions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from evals.followups.finding import bm25, documents, places
from evals.followups.topics import Turn, of_topics, told
from evals.metrics import Figure, Numbers, over_cases
from evals.sets import part_of
from meshkit.models.embeddings import Embedder
from svc_orchestrator.understanding import understand

_AT_ONCE = 64

METHODS: Mapping[str, Callable[[Turn], str]] = {
    "turn alone": lambda turn: turn.asked,
    "rules": lambda turn: understand([turn.asked], turn.earlier).standalone_query,
    "all turns": lambda turn: " ".join((*turn.earlier, turn.asked)),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures over `turns` follow-ups of `topics` conversations: of the rules' words, and of each method's query."""

    turns: int
    topics: int
    rules: dict[str, Figure]
    by_method: dict[str, dict[str, Figure]]


async def measured(all_turns: Sequence[Turn], part: str, embedder: Embedder) -> Measured:
    """The figures of one part; the search is among the documents of both."""
    turns = [each for each in all_turns if each.earlier and part_of(each.topic) == part]
    searched = documents(all_turns)
    number = {text: place for place, text in enumerate(searched)}
    own = [number[each.rewritten] for each in turns]
    vectors = await embedded(searched, embedder)
    by_method = {}
    for name, method in METHODS.items():
        queries = [method(each) for each in turns]
        cosines = (await embedded(queries, embedder)) @ vectors.T
        by_method[name] = _nearness(turns, own, cosines, bm25(queries, searched))
    return Measured(len(turns), len(of_topics(turns)), words_carried(turns, METHODS["rules"]), by_method)


def words_carried(turns: Sequence[Turn], method: Callable[[Turn], str]) -> dict[str, Figure]:
    """Of the words that the person added how many the method added, of the method's how many the person did not want,
    how many turns that the person left as they were it changed, and how many of the others it left alone."""
    wanted = np.asarray([len(each.added) for each in turns])
    queries = [method(each) for each in turns]
    carried = [told(query) - told(each.asked) for query, each in zip(queries, turns, strict=True)]
    hit = np.asarray([len(has & each.added) for has, each in zip(carried, turns, strict=True)])
    had = np.asarray([len(each) for each in carried])
    changed = np.asarray([query != " ".join(each.asked.split()) for query, each in zip(queries, turns, strict=True)])
    alone = wanted == 0

    def ratio(some: NDArray[np.int64], of: NDArray[np.int64]) -> Figure:
        return _over_topics(turns, lambda chosen: float(some[chosen].sum() / max(1, of[chosen].sum())))

    return {
        "words added by people, carried": ratio(hit, wanted),
        "words carried, not wanted": ratio(had - hit, had),
        "stands alone, yet carried": ratio((changed & alone).astype(np.int64), alone.astype(np.int64)),
        "leans, yet nothing carried": ratio((~changed & ~alone).astype(np.int64), (~alone).astype(np.int64)),
    }


def _nearness(turns: Sequence[Turn], own: Sequence[int], cosines: Numbers, scores: Numbers) -> dict[str, Figure]:
    def mean(values: Numbers) -> Figure:
        return _over_topics(turns, lambda chosen: float(values[chosen].mean()))

    near, ranked = places(cosines, own), places(scores, own)
    return {
        "cosine to the person's": mean(cosines[np.arange(len(own)), own]),
        "found first by cosine": mean((near == 1).astype(np.float64)),
        "MRR by cosine": mean(1 / near),
        "found first by BM25": mean((ranked == 1).astype(np.float64)),
        "MRR by BM25": mean(1 / ranked),
    }


def _over_topics(turns: Sequence[Turn], statistic: Callable[[NDArray[np.int64]], float]) -> Figure:
    topics = of_topics(turns)

    def over(chosen: NDArray[np.int64]) -> float:
        return statistic(np.asarray(list(chain.from_iterable(topics[each] for each in chosen)), dtype=np.int64))

    return over_cases(len(topics), over)


async def embedded(texts: Sequence[str], embedder: Embedder) -> Numbers:
    """The texts' vectors, in rows."""
    rows = [await embedder.embed(texts[at : at + _AT_ONCE]) for at in range(0, len(texts), _AT_ONCE)]
    return np.concatenate(rows).astype(np.float64)
