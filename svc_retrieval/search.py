"""A search: both legs side by side, what they found scored by all signals, and an order."""

import asyncio
import math
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from meshkit.errors import DomainError
from meshkit.postgres import Database
from meshkit.telemetry import get_logger, histogram
from svc_retrieval.errors import KnowledgeBaseNotFound
from svc_retrieval.ordering import Candidate, diverse, first_look, ranks_of, settled, spoken_in
from svc_retrieval.ranking import Ranking
from svc_retrieval.reranking import Reranking
from svc_retrieval.results import Found, Leg, Result
from svc_retrieval.shortlist import by_promise, enough_for
from svc_retrieval.spaces import Asked, Spaces
from svc_retrieval.store import search as store
from svc_retrieval.store.search import LexicalLeg, Passage
from svc_retrieval.titles import asks

log = get_logger(__name__)

SECONDS = histogram("groundline_search_seconds", "A search, from the question to its evidence.")

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class _Asking:
    query: str
    knowledge_base: str
    groups: Sequence[str]


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
        asking = _Asking(query, knowledge_base, groups)
        model = self._spaces.likely(knowledge_base)
        (lexical, lexical_ms), likely = await _both(self._by_words(asking), self._by_model(asking, model))
        if lexical is None:
            raise KnowledgeBaseNotFound(knowledge_base=knowledge_base)
        if lexical.embedding_model not in ("", model):
            # A switch is seen by the next search. Whether the former model still answers is nothing to it.
            likely = await self._by_meaning(asking, await self._spaces.ask_in_force(query, knowledge_base))
        if isinstance(likely, DomainError):
            raise likely
        nearest = await self._completed(asking, likely, lexical.chunks)
        count = top_k or self._ranking.default_top_k
        ranked = await self._ranked(asking, lexical, nearest, self._wanted(count))
        best_bm25 = max((each.signals.bm25 for each in ranked), default=0.0)
        reranked = None
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
                Leg("lexical", len(lexical.scores), best_bm25, lexical_ms),
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

    async def _by_words(self, asking: _Asking) -> tuple[LexicalLeg | None, float]:
        started = time.perf_counter()
        async with self._db.connection() as conn:
            leg = await store.by_words(
                conn, asking.query, knowledge_base=asking.knowledge_base, groups=asking.groups, ranking=self._ranking
            )
        return leg, _ms_since(started)

    async def _by_model(self, asking: _Asking, model: str) -> _VectorLeg | DomainError:
        try:
            return await self._by_meaning(asking, await self._spaces.ask(asking.query, model))
        except DomainError as error:
            return error

    async def _by_meaning(self, asking: _Asking, asked: Asked) -> _VectorLeg:
        started = time.perf_counter()
        scores = await self._nearest(asking, asked, self._ranking.compare_all_below, self._ranking.index_cost)
        return _VectorLeg(asked, scores, _ms_since(started))

    async def _completed(self, asking: _Asking, leg: _VectorLeg, visible: int) -> _VectorLeg:
        """`leg`, or an exact one where the index gave up although there are more chunks that the principal may read."""
        if len(leg.scores) >= min(self._ranking.candidates, visible):
            return leg
        started = time.perf_counter()
        scores = await self._nearest(asking, leg.asked, visible, math.inf)
        return _VectorLeg(leg.asked, scores, leg.duration_ms + _ms_since(started))

    async def _nearest(
        self, asking: _Asking, asked: Asked, compare_all_below: int, index_cost: float
    ) -> dict[UUID, float]:
        async with self._db.connection() as conn:
            return await asked.space.vectors.nearest(
                conn,
                asked.vector,
                knowledge_base=asking.knowledge_base,
                groups=asking.groups,
                limit=self._ranking.candidates,
                compare_all_below=compare_all_below,
                index_cost=index_cost,
            )

    async def _ranked(self, asking: _Asking, lexical: LexicalLeg, nearest: _VectorLeg, wanted: int) -> list[Found]:
        """What both legs found, scored by all signals, in no order; of much, what may be among the `wanted` best."""
        promising = by_promise(lexical.scores, nearest.scores, chunks=lexical.chunks, ranking=self._ranking)
        enough = enough_for(wanted, self._ranking)
        while True:
            passages = await self._passages(asking, promising[:enough], lexical, nearest.asked)
            candidates = first_look(asking.query, passages, lexical, self._ranking)
            ranked = ranks_of(await self._with_titles(candidates, nearest.asked), self._ranking)
            if len(ranked) >= wanted or enough >= len(promising):
                return ranked
            # Many were wordings of one record, or are gone.
            enough = len(promising)

    async def _passages(
        self, asking: _Asking, chunk_ids: Sequence[UUID], lexical: LexicalLeg, asked: Asked
    ) -> list[Passage]:
        if not chunk_ids:
            return []
        async with self._db.connection() as conn:
            return await asked.space.vectors.passages(
                conn,
                chunk_ids,
                knowledge_base=asking.knowledge_base,
                groups=asking.groups,
                lexemes=[term.lexeme for term in lexical.terms],
                vector=asked.vector,
            )

    def _wanted(self, count: int) -> int:
        """How many passages are wanted in their order: those to be shown, and those that the reranker reads."""
        return count if self._reranking is None else max(count, self._reranking.most)


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
