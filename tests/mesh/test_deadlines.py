"""Deadlines go with the work: they shrink from hop to hop, and end with it; what outlives a call has its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.conversation.v1 import conversation_service_pb2 as conversation
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2
from meshkit import testing

from .scripted import Talk, evidence, open_talk, pack, passed

QUESTION = "How do I reset the router to factory settings?"
# On the wire a timeout has few digits, and is rounded up.
ROUNDED_S = 0.02


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


async def test_the_time_that_is_left_shrinks_from_hop_to_hop(talk: Talk) -> None:
    async def search(request: retrieval_pb2.SearchEvidenceRequest) -> evidence_pb2.EvidencePack:
        await asyncio.sleep(0.5)
        return pack(request.query, evidence())

    talk.script.search = search
    left = talk.script.left_s
    for timeout_s in (3.0, 20.0):
        customer = await talk.open()
        await customer.says(QUESTION)
        stub = await talk.mesh()
        request = orchestration.AdvanceSessionRequest(session_id=customer.session_id)
        await stub.AdvanceSession(request, timeout=timeout_s)
        if timeout_s == 3.0:
            assert 0 < left["retrieval"] < timeout_s + ROUNDED_S
            assert 0 < left["evaluator"] <= left["retrieval"] - 0.4, "the search has used half a second of it"
        else:
            # The control: a caller with time to spare leaves each step what its own setting gives.
            assert left["retrieval"] > 4 and left["evaluator"] > 4


# What waits in PostgreSQL for a lock that the test holds, by service.
WAITING = """
select count(*) from pg_stat_activity where application_name = $1 and state = 'active' and wait_event_type = 'Lock'
"""


async def test_a_customer_s_deadline_reaches_the_statement_two_hops_away(hinted: Talk, database_url: str) -> None:
    customer = await hinted.open()
    holder = await asyncpg.connect(database_url)
    request = conversation.ResolveSessionRequest(session_id=customer.session_id)

    async def waits() -> bool:
        return bool(await hinted.sql.fetchval(WAITING, "orchestrator"))

    async def gone() -> bool:
        return not await waits()

    try:
        async with holder.transaction():
            await holder.execute("select from conversation.sessions where session_id = $1 for update", customer.id)
            began = time.monotonic()
            call = customer.stub.ResolveSession(request, metadata=customer.credentials, timeout=2.0)
            refused = asyncio.ensure_future(code_of(call))
            await testing.eventually(waits)
            assert await refused == grpc.StatusCode.DEADLINE_EXCEEDED
            await testing.eventually(gone)
            # Its own bounds are far off: the contract's deadline is ten seconds, and so is the pool's for a statement.
            assert time.monotonic() - began < 5
    finally:
        await holder.close()
    # Nothing was done late, and nothing is broken.
    assert (await customer.session()).status == pb.SESSION_STATUS_OPEN
    await customer.stub.ResolveSession(request, metadata=customer.credentials)
    assert (await customer.session()).status == pb.SESSION_STATUS_RESOLVED


async def code_of(call: Any) -> grpc.StatusCode:
    """How the call ends."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK
