"""A search: both legs side by side, what they found scored by all signals, and an order."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from meshkit.postgres import Database
from meshkit.telemetry import get_logger, histogram
from meshkit.text.lexemes import IDENTIFIER_PREFIX
from meshkit.text.versions import is_for, named_versions, version_of
from svc_retrieval import folding, scoring
from svc_retrieval.errors import KnowledgeBaseNotFound
from svc_retrieval.lineage import below_successors, best_of_each
from svc_retrieval.ranking import Ranking
from svc_retrieval.reranking import Reranking
from svc_retrieval.results import APPROVED_RECORD, Found, Leg, Result
from svc_retrieval.scoring import Reading, Signals
from svc_retrieval.spaces import Asked, Spaces
from svc_retrieval.store import search as store
from svc_retrieval.store.search import LexicalLeg, Passage
from svc_retrieval.titles import asks, headings, identifiers, stems

log = get_logger(__name__)

SECONDS = histogram("groundline_search_seconds", "A search, from the question to its evidence.")

LEAST_COMPARED, MOST_COMPARED = 16, 64

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage on its way: `total` sums its signals up, the title's cosine apart."""

    passage: Passage
    signals: Signals
    total: float

    def score(self, ranking: Ranking) -> float:
        """0 to 1."""
        return scoring.score(self.total + scoring.title_worth(self.signals, ranking), ranking)


@dataclass(frozen=True, slots=True)
class _VectorLeg:
    asked: Asked
    scores: dict[UUID, float]
    duration_ms: float


class Search:
    """Hybrid search of the knowledge bases."""

    def __init__(
        self, database: Database, spaces: Spaces, ranking: Ranking | None = None, reranking: Reranking | None = None
    ) -> None:
        self._db = database
        self._spaces = spaces
        self._ranking = ranking or Ranking()
        self._reranking = reranking

    @property
    def configuration(self) -> tuple[str, ...]:
        """Names all that the order of the same passages depends on, beside the model: a switch of that is a change of
        the knowledge base's index."""
        return (self._config_id,)

    @property
    def _config_id(self) -> str:
        return self._ranking.config_id if self._reranking is None else self._reranking.config_id(self._ranking)

    async def run(self, query: str, *, knowledge_base: str, groups: Sequence[str], top_k: int) -> Result:
        """The best `top_k` passages (0: the ranking's default) that one of `groups` may read.

        Raises KnowledgeBaseNotFound, and what the embedder and the database raise: a search that lost a leg would look
        like one that found little.
        """
        started = time.perf_counter()
        (lexical, lexical_ms), nearest = await _both(
            self._by_words(query, knowledge_base, groups), self._by_meaning(query, knowledge_base, groups)
        )
        if lexical is None:
            raise KnowledgeBaseNotFound(knowledge_base=knowledge_base)
        nearest = await self._completed(nearest, lexical.chunks, knowledge_base, groups)
        passages = await self._passages(lexical, nearest, knowledge_base, groups)
        candidates = first_look(query, passages, lexical, self._ranking)
        candidates = await self._with_titles(candidates, nearest.asked)
        count = top_k or self._ranking.default_top_k
        ranked, reranked = ranks_of(candidates, self._ranking), None
        if self._reranking is not None and ranked:
            ranked, reranked = await self._reranking.order(query, ranked)
        found = diverse(settled(ranked), count)[:count]
        spoken = spoken_in(found)
        total_s = time.perf_counter() - started
        SECONDS.observe(total_s)
        return Result(
            query=query,
            knowledge_base=knowledge_base,
            found=found,
            terms=lexical.terms_in(spoken),
            text_configuration=spoken,
            legs=[
                Leg("lexical", len(lexical.scores), max(lexical.scores.values(), default=0.0), lexical_ms),
                Leg("vector", len(nearest.scores), max(nearest.scores.values(), default=0.0), nearest.duration_ms),
            ],
            corpus_chunks=lexical.chunks,
            config_id=self._config_id,
            embedding_model=nearest.asked.space.embedder.name,
            embedding_ms=nearest.asked.embedding_ms,
            total_ms=total_s * 1000,
            reranked=reranked,
        )

    async def _with_titles(self, candidates: Sequence[Candidate], asked: Asked) -> list[Candidate]:
        """The same, the best of them with their titles' cosines."""
        count = self._ranking.title_finalists
        finalists, others = candidates[:count], candidates[count:]
        nearest = await asked.space.titles.nearest(asked.vector, [each.passage for each in finalists])
        seen = [
            replace(each, signals=replace(each.signals, title_cosine=cosine, title_asks=asks(title)))
            for each, (cosine, title) in zip(finalists, nearest, strict=True)
        ]
        return [*seen, *others]

    async def _by_words(
        self, query: str, knowledge_base: str, groups: Sequence[str]
    ) -> tuple[LexicalLeg | None, float]:
        started = time.perf_counter()
        async with self._db.connection() as conn:
            leg = await store.by_words(conn, query, knowledge_base=knowledge_base, groups=groups, ranking=self._ranking)
        return leg, _ms_since(started)

    async def _by_meaning(self, query: str, knowledge_base: str, groups: Sequence[str]) -> _VectorLeg:
        asked = await self._spaces.ask(query, knowledge_base)
        started = time.perf_counter()
        scores = await self._nearest(asked, knowledge_base, groups, self._ranking.compare_all_below)
        return _VectorLeg(asked, scores, _ms_since(started))

    async def _completed(self, leg: _VectorLeg, visible: int, knowledge_base: str, groups: Sequence[str]) -> _VectorLeg:
        """`leg`, or an exact one where the index gave up although there are more chunks that the principal may read."""
        if len(leg.scores) >= min(self._ranking.candidates, visible):
            return leg
        started = time.perf_counter()
        scores = await self._nearest(leg.asked, knowledge_base, groups, visible)
        return _VectorLeg(leg.asked, scores, leg.duration_ms + _ms_since(started))

    async def _nearest(
        self, asked: Asked, knowledge_base: str, groups: Sequence[str], compare_all_below: int
    ) -> dict[UUID, float]:
        async with self._db.connection() as conn:
            return await asked.space.vectors.nearest(
                conn,
                asked.vector,
                knowledge_base=knowledge_base,
                groups=groups,
                limit=self._ranking.candidates,
                compare_all_below=compare_all_below,
            )

    async def _passages(
        self, lexical: LexicalLeg, nearest: _VectorLeg, knowledge_base: str, groups: Sequence[str]
    ) -> list[Passage]:
        chunk_ids = list({**lexical.scores, **nearest.scores})
        if not chunk_ids:
            return []
        async with self._db.connection() as conn:
            return await nearest.asked.space.vectors.passages(
                conn,
                chunk_ids,
                knowledge_base=knowledge_base,
                groups=groups,
                lexemes=[term.lexeme for term in lexical.terms],
                vector=nearest.asked.vector,
            )


def ranks_of(candidates: Sequence[Candidate], ranking: Ranking) -> list[Found]:
    """All passages with their scores and ranks, in no order; one for each approved record."""
    fused = [each.score(ranking) for each in candidates]
    signals = [each.signals for each in candidates]
    places = zip(
        scoring.ranks([each.bm25 or None for each in signals]),
        scoring.ranks([each.cosine for each in signals]),
        scoring.ranks([each.coverage or None for each in signals]),
        scoring.ranks([each.bigram or None for each in signals]),
        scoring.ranks([each.title_cosine for each in signals]),
        scoring.ranks(fused),
        strict=True,
    )
    found = [
        Found(each.passage, each.signals, value, value, ranks)
        for each, value, ranks in zip(candidates, fused, places, strict=True)
    ]
    return best_of_each(
        found,
        key=lambda each: each.passage.doc_id if each.passage.kind == APPROVED_RECORD else None,
        score=lambda each: each.fused,
    )


def settled(found: Sequence[Found]) -> list[Found]:
    """The same, best first; none of a superseded page above its successor, or of an older version above the newest."""
    return sorted(_bounded(found), key=_order)


def diverse(found: Sequence[Found], count: int) -> list[Found]:
    """The same without passages that others stand for: enough of them to show `count`, if there are so many."""
    # What is far behind is not compared: it costs time for each pair, and is shown only if all before it are copies.
    looked_at = min(max(2 * count, LEAST_COMPARED), MOST_COMPARED)
    near, far = found[:looked_at], found[looked_at:]
    entries = [folding.Entry(each.passage, each.score, each.signals.another_version) for each in near]
    return [*(replace(near[place], folded=folded) for place, folded in folding.fold(entries)), *far]


def first_look(query: str, passages: Sequence[Passage], lexical: LexicalLeg, ranking: Ranking) -> list[Candidate]:
    """Each passage with its signals but the title's cosine, best first."""
    versions = [_version(each) for each in passages]
    named = named_versions(
        query, [(version, " . ".join(headings(each))) for each, version in zip(passages, versions, strict=True)]
    )
    readings = {each: Reading.of(lexical.terms_in(each)) for each in {passage.configuration for passage in passages}}
    candidates = []
    for passage, version in zip(passages, versions, strict=True):
        reading = readings[passage.configuration]
        signals = _signals(passage, reading, lexical, ranking, another_version=not is_for(version, named))
        candidates.append(
            Candidate(passage, signals, scoring.first_sum(signals, reading.terms, lexical.chunks, ranking))
        )
    return sorted(candidates, key=lambda each: (-each.total, each.passage.uri, each.passage.chunk_index))


def spoken_in(found: Sequence[Found]) -> str:
    """The text configuration that the question is best read in: that of the passage which holds most of it."""
    best = max(found, key=lambda each: each.signals.coverage, default=None)
    return "" if best is None else best.passage.configuration


def _signals(
    passage: Passage, reading: Reading, lexical: LexicalLeg, ranking: Ranking, *, another_version: bool
) -> Signals:
    terms, held, over = reading.terms, passage.held, headings(passage)
    return Signals(
        bm25=scoring.bm25(terms, held, words=passage.word_count, mean_words=lexical.mean_words, ranking=ranking),
        cosine=passage.cosine,
        coverage=scoring.coverage(terms, held),
        bigram=scoring.bigram(reading.neighbours, held),
        identifiers=scoring.identifiers(terms, held, _named_in(over)) if _holds_identifier(held) else 0.0,
        together=scoring.together(terms, held, ranking.together_span),
        title_overlap=max(
            (scoring.title_overlap(terms, stems(each, passage.configuration)) for each in over), default=0.0
        ),
        another_version=another_version,
    )


def _holds_identifier(held: scoring.Held) -> bool:
    return any(lexeme.startswith(IDENTIFIER_PREFIX) for lexeme in held)


def _named_in(over: Sequence[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(identifiers, over))


def _version(passage: Passage) -> str:
    return version_of(passage.product_version, passage.uri)


def _bounded(found: Sequence[Found]) -> list[Found]:
    best: dict[UUID, float] = {}
    for each in found:
        best[each.passage.doc_id] = max(each.score, best.get(each.passage.doc_id, 0.0))
    successors = {each.passage.doc_id: each.passage.superseded_by for each in found if each.passage.superseded_by}
    bounds = below_successors(best, successors)
    bounded = [min(each.score, bounds[each.passage.doc_id]) for each in found]
    if not any(each.signals.another_version for each in found):
        # Where the question names a version, what is for another one has lost enough.
        bounded = folding.bounds([each.passage for each in found], bounded)
    return [
        each if score == each.score else replace(each, score=score) for each, score in zip(found, bounded, strict=True)
    ]


def _order(found: Found) -> tuple[float, bool, bool, str, int]:
    passage = found.passage
    # Of equals, what was held down to its successor's or newer version's score comes after that.
    behind = found.score < found.fused
    return -found.score, passage.superseded_by is not None, behind, passage.uri, passage.chunk_index


async def _both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Both results. If one fails, the other is cancelled and its end awaited: no connection stays behind."""
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
