"""An orchestrator that is stopped in mid-turn until its lease has passed to another, and then goes on."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.orchestration.v1 import orchestration_service_pb2_grpc
from meshkit.channels import open_channel

from .experiments import Result, Trial, settle, stage_ledger
from .load import Conversation, Load
from .questions import QUESTIONS
from .stage import ORCHESTRATOR_LEASE_S, Stage

NAME = "orchestrator stopped past its lease (SIGSTOP), while another takes the conversation"
PLACE = "orchestrator.turn.retrieved"
# The turn goes on as soon as the process does. There is nothing to be seen where the fence holds.
AFTERMATH_S = 3.0
_SERVICE = orchestration.DESCRIPTOR.services_by_name["OrchestrationService"]
_REPLIES = "select count(*) from conversation.messages where session_id = $1::text::uuid and in_reply_to is not null"


async def past_the_lease(stage: Stage, result: Result) -> None:
    """One conversation a round. Raises TimeoutError if the second orchestrator doesn't take it."""
    ledger = stage_ledger(stage, result)
    load = Load(stage.live, ledger, result.seed)
    async with stage.second("orchestrator") as target, stage.live.mesh(None) as mesh:
        bearer = stage.live.token("service", "worker-delivery")
        async with open_channel(target, _SERVICE, bearer=bearer) as channel:
            stub = orchestration_service_pb2_grpc.OrchestrationServiceStub(channel)
            await channel.channel_ready()
            for number in range(result.rounds):
                customer = Conversation(load, mesh, mesh, f"{ledger.path.stem}-{number}")
                await customer.open()
                result.add(f"SIGSTOP at {PLACE}", await _round(stage, customer, stub))
    await settle(stage, result, ledger)


async def _round(
    stage: Stage, customer: Conversation, second: orchestration_service_pb2_grpc.OrchestrationServiceStub
) -> float:
    serial = stage.arm(PLACE, "sleep:0.5")
    await customer.post(QUESTIONS[0])
    await stage.firing(serial, 30)
    began = time.monotonic()
    with stage.stopped("orchestrator"):
        request = orchestration.AdvanceSessionRequest(session_id=customer.session_id)
        async with asyncio.timeout(ORCHESTRATOR_LEASE_S * 5):
            while (await second.AdvanceSession(request)).outcome == orchestration.ADVANCE_OUTCOME_BUSY:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        took = time.monotonic() - began
    conn = await asyncpg.connect(stage.stack.database_url())
    try:
        deadline = time.monotonic() + AFTERMATH_S
        while time.monotonic() < deadline:
            if await conn.fetchval(_REPLIES, customer.session_id) > 1:
                break
            await asyncio.sleep(0.1)
    finally:
        await conn.close()
    return took


TRIAL = Trial("19", NAME, past_the_lease, most_rounds=6)
