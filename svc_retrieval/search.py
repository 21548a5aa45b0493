"""A search: both legs side by side, what they found scored by all signals, and an order."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from meshkit.ids import new_id
from meshkit.models.embeddings import Embedder
from meshkit.models.vectors import Vectors
from meshkit.postgres import Database
from meshkit.telemetry import get_logger, histogram
from svc_retrieval import scoring
from svc_retrieval.errors import KnowledgeBaseNotFound
from svc_retrieval.lineage import below_successors, best_of_each
from svc_retrieval.ranking import Ranking
from svc_retrieval.scoring import Signals, Term
from svc_retrieval.store import search as store
from svc_retrieval.store.search import LexicalLeg, Passage, VectorSpace

log = get_logger(__name__)

SECONDS = histogram("groundline_search_seconds", "A search, from the question to its evidence.")

APPROVED_RECORD = "approved_record"

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found. `score` orders the pack, 0 to 1; `fused` is the same before a newer page bounded it.
    `ranks` are its places among all candidates by bm25, cosine, coverage, bigram and fused, in this order."""

    passage: Passage
    signals: Signals
    fused: float
    score: float
    ranks: tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Leg:
    """How one leg went. Times are in milliseconds."""

    name: str
    candidates: int
    top_score: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """All that is to be said of a search. `corpus_chunks` are those that the principal may read."""

    query: str
    knowledge_base: str
    found: list[Found]
    terms: list[Term]
    legs: list[Leg]
    corpus_chunks: int
    config_id: str
    embedding_model: str
    embedding_ms: float
    total_ms: float
    pack_id: UUID = field(default_factory=new_id)
    retrieved_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class _VectorLeg:
    vector: Vectors
    scores: dict[UUID, float]
    embedding_ms: float
    duration_ms: float


class Search:
    """Hybrid search of the knowledge bases."""

    def __init__(self, database: Database, embedder: Embedder, ranking: Ranking | None = None) -> None:
        self._db = database
        self._embedder = embedder
        self._space = VectorSpace(embedder.name, embedder.dimension)
        self._ranking = ranking or Ranking()

    async def prepare(self) -> None:
        """Registers the embedding model and warms it. Call before serving."""
        async with self._db.connection() as conn:
            await self._space.register(conn)
        await self._embedder.warm()

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
        found = rank(passages, lexical, self._ranking)[: top_k or self._ranking.default_top_k]
        total_s = time.perf_counter() - started
        SECONDS.observe(total_s)
        return Result(
            query=query,
            knowledge_base=knowledge_base,
            found=found,
            terms=lexical.terms,
            legs=[
                Leg("lexical", len(lexical.scores), max(lexical.scores.values(), default=0.0), lexical_ms),
                Leg("vector", len(nearest.scores), max(nearest.scores.values(), default=0.0), nearest.duration_ms),
            ],
            corpus_chunks=lexical.chunks,
            config_id=self._ranking.config_id,
            embedding_model=self._embedder.name,
            embedding_ms=nearest.embedding_ms,
            total_ms=total_s * 1000,
        )

    async def _by_words(
        self, query: str, knowledge_base: str, groups: Sequence[str]
    ) -> tuple[LexicalLeg | None, float]:
        started = time.perf_counter()
        async with self._db.connection() as conn:
            leg = await store.by_words(conn, query, knowledge_base=knowledge_base, groups=groups, ranking=self._ranking)
        return leg, _ms_since(started)

    async def _by_meaning(self, query: str, knowledge_base: str, groups: Sequence[str]) -> _VectorLeg:
        started = time.perf_counter()
        vector = (await self._embedder.embed([query]))[0]
        embedding_ms, started = _ms_since(started), time.perf_counter()
        scores = await self._nearest(vector, knowledge_base, groups, exact=False)
        return _VectorLeg(vector, scores, embedding_ms, _ms_since(started))

    async def _completed(self, leg: _VectorLeg, visible: int, knowledge_base: str, groups: Sequence[str]) -> _VectorLeg:
        """`leg`, or an exact one where the index gave up although there are more chunks that the principal may read."""
        if len(leg.scores) >= min(self._ranking.candidates, visible):
            return leg
        started = time.perf_counter()
        scores = await self._nearest(leg.vector, knowledge_base, groups, exact=True)
        return _VectorLeg(leg.vector, scores, leg.embedding_ms, leg.duration_ms + _ms_since(started))

    async def _nearest(
        self, vector: Vectors, knowledge_base: str, groups: Sequence[str], *, exact: bool
    ) -> dict[UUID, float]:
        async with self._db.connection() as conn:
            return await self._space.nearest(
                conn,
                vector,
                knowledge_base=knowledge_base,
                groups=groups,
                limit=self._ranking.candidates,
                exact=exact,
            )

    async def _passages(
        self, lexical: LexicalLeg, nearest: _VectorLeg, knowledge_base: str, groups: Sequence[str]
    ) -> list[Passage]:
        chunk_ids = list({**lexical.scores, **nearest.scores})
        if not chunk_ids:
            return []
        async with self._db.connection() as conn:
            return await self._space.passages(
                conn,
                chunk_ids,
                knowledge_base=knowledge_base,
                groups=groups,
                lexemes=[term.lexeme for term in lexical.terms],
                vector=nearest.vector,
            )


def rank(passages: Sequence[Passage], lexical: LexicalLeg, ranking: Ranking) -> list[Found]:
    """All passages, best first: one for each approved record, and none of a superseded page above its successor."""
    signals = [_signals(each, lexical, ranking) for each in passages]
    fused = scoring.fuse(signals, lexical.terms, ranking)
    places = zip(
        scoring.ranks([each.bm25 or None for each in signals]),
        scoring.ranks([each.cosine for each in signals]),
        scoring.ranks([each.coverage or None for each in signals]),
        scoring.ranks([each.bigram or None for each in signals]),
        scoring.ranks(fused),
        strict=True,
    )
    found = [Found(*each[:3], each[2], each[3]) for each in zip(passages, signals, fused, places, strict=True)]
    found = best_of_each(
        found,
        key=lambda each: each.passage.doc_id if each.passage.kind == APPROVED_RECORD else None,
        score=lambda each: each.fused,
    )
    return sorted(_bounded(found), key=_order)


def _signals(passage: Passage, lexical: LexicalLeg, ranking: Ranking) -> Signals:
    return Signals(
        bm25=scoring.bm25(
            lexical.terms, passage.held, words=passage.word_count, mean_words=lexical.mean_words, ranking=ranking
        ),
        cosine=passage.cosine,
        coverage=scoring.coverage(lexical.terms, passage.held),
        bigram=scoring.bigram(scoring.neighbours(lexical.terms), passage.held),
    )


def _bounded(found: Sequence[Found]) -> list[Found]:
    best: dict[UUID, float] = {}
    for each in found:
        best[each.passage.doc_id] = max(each.fused, best.get(each.passage.doc_id, 0.0))
    successors = {each.passage.doc_id: each.passage.superseded_by for each in found if each.passage.superseded_by}
    bounds = below_successors(best, successors)
    return [
        Found(each.passage, each.signals, each.fused, min(each.fused, bounds[each.passage.doc_id]), each.ranks)
        for each in found
    ]


def _order(found: Found) -> tuple[float, bool, str, int]:
    passage = found.passage
    return -found.score, passage.superseded_by is not None, passage.uri, passage.chunk_index


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
