"""Deadlines go with the work: they shrink from hop to hop, and end with it; what outlives a call has its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2
from meshkit import testing

from .scripted import Talk, evidence, open_talk, pack, passed

QUESTION = "How do I reset the router to factory settings?"


@pytest.fixture
async def hinted(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Talk]:
    """The gateway's hints go to the orchestrator."""
    async with open_talk(database_url, keys, tmp_path, orchestrator_target="orchestrator") as opened:
        yield opened


async def test_a_hinted_turn_may_take_longer_than_the_hint(hinted: Talk) -> None:
    async def search(request: retrieval_pb2.SearchEvidenceRequest) -> evidence_pb2.EvidencePack:
        await asyncio.sleep(1.2)
        return pack(request.query, evidence())

    async def judge(_: evaluation.EvaluateRequest) -> evaluation.Verdict:
        await asyncio.sleep(1.2)
        return passed()

    hinted.script.search, hinted.script.judge = search, judge
    customer = await hinted.open()
    # The relay isn't there: what is answered, the hint has brought about. Its own call may take two seconds.
    await customer.says(QUESTION)

    async def answered() -> object:
        return [each for each in await customer.chain() if each.role == pb.MESSAGE_ROLE_ASSISTANT]

    await testing.eventually(answered, timeout_s=20)
    assert (await customer.session()).status == pb.SESSION_STATUS_OPEN
