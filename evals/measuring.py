"""A whole set: ingested, asked, counted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evals import grounding
from evals.desk import AT_ONCE, PUBLIC, Desk, Progress
from evals.ranking import LEXICAL, VECTOR, RankingFigures
from evals.refusal import RefusalFigures
from evals.sets import EvalSet, Query
from evals.turns import Turns
from svc_orchestrator.understanding import understand
from svc_retrieval.properties import Submission


@dataclass
class Measured:
    """All that was counted over a set, and under which configuration."""

    eval_set: EvalSet
    ranking: RankingFigures = field(default_factory=RankingFigures)
    refusal: RefusalFigures = field(default_factory=RefusalFigures)
    grounding: Mapping[str, Any] | None = None
    config_ids: dict[str, str] = field(default_factory=dict)
    unreadable: int = 0


async def measure(desk: Desk, eval_set: EvalSet, progress: Progress) -> Measured:
    """Ingests the set's corpus into the desk, which must be empty, and asks its questions."""
    turns = Turns(desk)
    measured = Measured(eval_set, config_ids=dict(turns.config_ids))
    if eval_set.documents and eval_set.queries:
        submissions = [
            Submission("default", each.doc_id, "text/plain", each.text.encode(), title=each.title)
            for each in eval_set.documents
        ]
        measured.unreadable = await desk.ingest(submissions, progress)
        await _ask(desk, turns, measured, progress)
    if eval_set.claims:
        progress("judging claims", 0, len(eval_set.claims))
        measured.grounding = await asyncio.to_thread(grounding.measure, eval_set.claims, turns.policy)
        progress("judging claims", len(eval_set.claims), len(eval_set.claims))
    return measured


async def _ask(desk: Desk, turns: Turns, measured: Measured, progress: Progress) -> None:
    queries = measured.eval_set.queries
    done = 0
    waiting = iter(queries)

    async def work() -> None:
        nonlocal done
        for query in waiting:
            await _ask_one(desk, turns, measured, query)
            done += 1
            progress("asking", done, len(queries))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def _ask_one(desk: Desk, turns: Turns, measured: Measured, query: Query) -> None:
    standalone = understand([query.text], query.history).standalone_query if query.history else query.text
    result = await desk.search(standalone, PUBLIC)
    measured.config_ids.update(retrieval=result.config_id, embedding_model=result.embedding_model)
    gains = measured.eval_set.relevant.get(query.query_id, {})
    if gains:
        measured.ranking.count(result, gains)
    if query.answerable is not None:
        turn = await turns.take(query.text, earlier=query.history, found=result)
        measured.refusal.count(query, turn, gains, measured.eval_set.answers.get(query.query_id, ()))


def by_leg(measured: Measured) -> dict[str, float]:
    """nDCG@10 of each leg alone."""
    return {
        leg: measured.ranking.figures(leg)["ndcg_at_10"].value
        for leg in (LEXICAL, VECTOR)
        if measured.ranking.values[leg]["ndcg_at_10"]
    }
