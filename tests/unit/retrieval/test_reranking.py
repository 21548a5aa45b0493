import asyncio
from collections.abc import Sequence

import pytest

from meshkit.models.errors import ChatMalformed, ChatRateLimited, ChatTimeout, ChatUnavailable
from svc_retrieval.ordering import settled
from svc_retrieval.ranking import Ranking
from svc_retrieval.reranking import Reranking
from svc_retrieval.results import Found, Outcome
from svc_retrieval.scoring import Signals

from .test_folding import passage


class Scripted:
    """Scores texts by their last word, or fails."""

    name = "scripted"

    def __init__(self, failure: Exception | None = None, stall: bool = False) -> None:
        self.failure, self.stall = failure, stall
        self.texts: list[str] = []

    async def scores(self, query: str, texts: Sequence[str], *, deadline_s: float) -> list[float]:
        self.texts = list(texts)
        if self.stall:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return [float(each.split()[-1]) for each in texts]

    async def close(self) -> None: ...


def found(*values: tuple[float, float], **fields: object) -> list[Found]:
    """Passages by their own score and what the reranker will say."""
    return [
        Found(passage(number, f"Text {says}", **fields), Signals(1, 0.5, 1, 0), score, score, (1, 1, 1, 1, 1, 1))
        for number, (score, says) in enumerate(values)
    ]


def order(ranked: Sequence[Found]) -> list[int]:
    return [each.passage.chunk_id.int for each in settled(ranked)]


async def test_it_orders_and_lifts_no_score() -> None:
    before = found((0.9, 1), (0.8, 3), (0.7, 2), (0.6, 9))
    after, told = await Reranking(Scripted(), most=3).order("?", before)
    assert order(after) == [1, 2, 0, 3], "the fourth was not shown to it"
    by_number = {each.passage.chunk_id.int: each for each in after}
    assert [by_number[number].score for number in range(4)] == [0.7, 0.8, 0.7, 0.6]
    assert all(each.score <= each.fused for each in after)
    assert [by_number[number].rerank for number in range(4)] == [(1, 3), (3, 1), (2, 2), None]
    assert (told.outcome, told.passages, told.model) == (Outcome.OK, 3, "scripted")


async def test_records_keep_their_place_and_are_not_shown_to_it() -> None:
    before = [*found((0.9, 1), (0.8, 3)), *found((0.85, 0), kind="approved_record", uri="record.md")]
    reranker = Scripted()
    after, _ = await Reranking(reranker).order("?", before)
    assert len(reranker.texts) == 2
    assert [each.score for each in after if each.passage.kind == "approved_record"] == [0.85]


async def test_it_reads_titles_and_headings() -> None:
    reranker = Scripted()
    await Reranking(reranker).order("?", found((0.9, 1), metadata={"heading_path": ["Reset", "With the button"]}))
    assert reranker.texts == ["Reset\nWith the button\nText 1"]


@pytest.mark.parametrize(
    ("reranker", "outcome"),
    [
        (Scripted(ChatUnavailable("connection")), Outcome.UNAVAILABLE),
        (Scripted(ChatRateLimited(3)), Outcome.UNAVAILABLE),
        (Scripted(ChatTimeout(1)), Outcome.TIMEOUT),
        (Scripted(stall=True), Outcome.TIMEOUT),
        (Scripted(ChatMalformed("wrong_schema")), Outcome.MALFORMED),
    ],
)
async def test_if_it_fails_all_is_as_without_it_and_said(reranker: Scripted, outcome: Outcome) -> None:
    before = found((0.9, 1), (0.8, 3))
    after, told = await Reranking(reranker, deadline_s=0.05).order("?", before)
    assert (after, told.outcome) == (before, outcome)


def test_it_is_part_of_the_configuration_id() -> None:
    ids = {Ranking().config_id, *(Reranking(Scripted(), most=most).config_id(Ranking()) for most in (3, 4))}
    assert len(ids) == 3
    assert all(each.startswith("lin-3:") and len(each) <= 128 for each in ids)
    other = Scripted()
    other.name = "another"
    assert Reranking(other, most=3).config_id(Ranking()) not in ids
