"""A whole set: ingested, asked, counted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evals import grounding
from evals.confidence import ConfidenceFigures
from evals.desk import PUBLIC, Desk, Progress, all_of
from evals.ranking import LEXICAL, VECTOR, RankingFigures
from evals.refusal import RefusalFigures
from evals.sets import TEST, EvalSet, Query
from evals.submitting import Corpus, to_corpus
from evals.turns import Turns
from svc_orchestrator.understanding import understand


@dataclass
class Measured:
    """All that was counted over a set, and under which configuration. `test` is the same over that half alone, where
    both were asked."""

    eval_set: EvalSet
    ranking: RankingFigures = field(default_factory=RankingFigures)
    refusal: RefusalFigures = field(default_factory=RefusalFigures)
    confidence: ConfidenceFigures = field(default_factory=ConfidenceFigures)
    grounding: Mapping[str, Any] | None = None
    config_ids: dict[str, str] = field(default_factory=dict)
    unreadable: int = 0
    test: "Measured | None" = None

    def of(self, query: Query) -> list["Measured"]:
        """Where the question counts."""
        return [self, self.test] if self.test is not None and query.part == TEST else [self]


async def measure(desk: Desk, eval_set: EvalSet, progress: Progress) -> Measured:
    """Ingests the set's corpus into the desk, which must be empty, and asks its questions."""
    turns = Turns(desk)
    measured = Measured(eval_set, config_ids=dict(turns.config_ids))
    only_test = eval_set.sampled(0, part=TEST)
    if (len(only_test.queries), len(only_test.claims)) != (len(eval_set.queries), len(eval_set.claims)):
        measured.test = Measured(only_test)
    if eval_set.documents and eval_set.queries:
        corpus = to_corpus(eval_set.documents)
        measured.unreadable = await desk.ingest(corpus.submissions, progress)
        await _ask(desk, turns, corpus, measured, progress)
    if eval_set.claims:
        progress("judging claims", 0, len(eval_set.claims))
        measured.grounding = await asyncio.to_thread(grounding.measure, eval_set.claims, turns.policy)
        if measured.test is not None and only_test.claims:
            measured.test.grounding = await asyncio.to_thread(grounding.measure, only_test.claims, turns.policy)
        progress("judging claims", len(eval_set.claims), len(eval_set.claims))
    return measured


async def _ask(desk: Desk, turns: Turns, corpus: Corpus, measured: Measured, progress: Progress) -> None:
    async def ask(query: Query) -> None:
        await _ask_one(desk, turns, corpus, measured, query)

    await all_of(measured.eval_set.queries, ask, "asking", progress)


async def _ask_one(desk: Desk, turns: Turns, corpus: Corpus, measured: Measured, query: Query) -> None:
    # As in a conversation: one question alone is shortened, one with a history made to stand alone.
    result = await desk.search(understand([query.text], query.history).standalone_query, PUBLIC)
    measured.config_ids.update(retrieval=result.config_id, embedding_model=result.embedding_model)
    gains = measured.eval_set.relevant.get(query.query_id, {})
    if gains:
        for each in measured.of(query):
            each.ranking.count(result, gains, corpus.doc_ids)
    if query.answerable is not None:
        turn = await turns.take(query.text, earlier=query.history, found=result)
        cited = {corpus.doc_ids[uri] for uri in turn.cited}
        answers = measured.eval_set.answers.get(query.query_id, ())
        seen = ConfidenceFigures()
        seen.count(result, turns, answerable=query.answerable, gains=gains, doc_ids=corpus.doc_ids)
        for each in measured.of(query):
            each.refusal.count(query, turn, cited, gains, answers)
            each.confidence.cases.extend(seen.cases)


def by_leg(measured: Measured) -> dict[str, float]:
    """nDCG@10 of each leg alone."""
    return {
        leg: measured.ranking.figures(leg)["ndcg_at_10"].value
        for leg in (LEXICAL, VECTOR)
        if measured.ranking.values[leg]["ndcg_at_10"]
    }
