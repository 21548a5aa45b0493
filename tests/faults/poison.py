"""Experiments 13 and 14: commands that can't be handled, by raising, by refusing, by taking their worker along."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc

from groundline.commands.v1 import command_service_pb2

from .experiments import Result, Trial, settle, stage_ledger, under_load
from .load import PASSING, Conversation, Load
from .stage import Stage

_KINDS = ("raise", "nack", "crash")
_ATTEMPTS = 5
# A claim that only finds that there were enough counts too, and so does one that the crash of another cut off.
_LEFT_OVER = 2
_DEAD_WITHIN_S = 180.0
_BACK_WITHIN_S = 30.0
_STATES = """
select outbox_id::text, status, attempts from messaging.outbox
where type = 'create_ticket' and ordering_key = any ($1::uuid[]) order by outbox_id
"""


async def dead_and_redriven(stage: Stage, result: Result) -> None:
    """13, 14: poison is dead after N attempts, and what is beside it flows; redriven twice without the poison, it has
    its effect once."""
    ledger = stage_ledger(stage, result)
    load = Load(stage.live, ledger, result.seed)
    admin = stage.live.token("admin", "ada", ttl_s=3600)
    async with stage.live.mesh(None) as mesh, stage.live.mesh(admin) as admins:
        poisoned = [Conversation(load, mesh, mesh, f"{ledger.path.stem}-{kind}") for kind in _KINDS]
        async with (
            stage.told({"worker-delivery": {"GROUNDLINE_MAX_ATTEMPTS": str(_ATTEMPTS)}}),
            stage.without("poison", "worker-delivery"),
            under_load(stage, result),
        ):
            for each, kind in zip(poisoned, _KINDS, strict=True):
                await each.open()
                await each.post(f"I would like to speak to a person, please: poison by {kind}")
                result.add(f"poison by {kind}")
            states = await _dead(stage, [each.session_id for each in poisoned])
        await asyncio.to_thread(stage.stack.wait_healthy)
        for state in states:
            about = f"command {state['outbox_id']}"
            result.expect(state["status"] == "dead", "unexplained", about, f"not dead but {state['status']}")
            result.expect(
                _ATTEMPTS <= state["attempts"] <= _ATTEMPTS + _LEFT_OVER,
                "unexplained",
                about,
                f"{state['attempts']} attempts",
            )
            await _redriven(admins, state["outbox_id"])
            await _redriven(admins, state["outbox_id"])
            result.add("redriven twice")
    await settle(stage, result, ledger)


async def _dead(stage: Stage, sessions: list[str]) -> list[Any]:
    deadline = time.monotonic() + _DEAD_WITHIN_S
    async with stage.live.owner() as conn:
        while True:
            states = await conn.fetch(_STATES, sessions)
            ended = len(states) == len(sessions) and all(each["status"] != "pending" for each in states)
            if ended or time.monotonic() > deadline:
                return list(states)
            await asyncio.sleep(0.2)


async def _redriven(admins: Any, command_id: str) -> None:
    request = command_service_pb2.RedriveCommandRequest(command_id=command_id)
    deadline = time.monotonic() + _BACK_WITHIN_S
    while True:
        try:
            await admins.commands.RedriveCommand(request)
        except grpc.aio.AioRpcError as error:
            # The worker, who answers for its commands, has only just come back, and the edge has to notice.
            if error.code() in PASSING and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
                continue
            # The second time it is no dead command any more.
            if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                raise
        return


TRIALS = (Trial("13, 14", "poison by raise, nack and crash: dead after N attempts; redriven twice", dead_and_redriven),)
