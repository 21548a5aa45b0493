"""Experiments 9, 10 and 20: what lies between the processes is cut, slow, or silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cli.mesh import Mesh
from groundline.conversation.v1 import conversation_pb2, conversation_service_pb2

from .experiments import EMBEDDED, Result, Trial, settle, stage_ledger, under_load
from .load import Conversation, Load
from .questions import REPLIES, UNANSWERABLE
from .stage import Stage
from .strikes import REACH_TIMEOUT_S
from .wire import Strand, Wire

# A commit is certain once its place was reached; the reply is still to be sent for so long.
_REPLY_HELD_S = 0.5
_SLOW_FOR_S = 12.0
# Each statement then takes two seconds: one there, one back.
_SLOW_BY_S = 1.0
DATABASE_USERS = ("gateway", "orchestrator", "ticketing", "worker-delivery")
# How often a reader's session is looked at when no notification comes (the gateway's default), and what the look may
# take on a busy machine.
_POLL_S, _LOOK_S = 2.0, 3.0


async def reply_cut(stage: Stage, result: Result, *, repeatable: bool = True) -> None:
    """9: the connection between the customers and the edge is reset after the commit, before the reply. Each caller
    says the same again, with the same request_id."""
    wire = Wire(stage.stack.ports.edge)
    async with wire.open(), under_load(stage, result, through=wire, repeatable=repeatable):
        for place in ("gateway.message.committed", "ticketing.comment.committed", "ticketing.update.committed"):
            for _ in range(result.rounds):
                serial = stage.arm(place, f"sleep:{_REPLY_HELD_S}")
                await stage.firing(serial, REACH_TIMEOUT_S)
                result.add(f"cut at {place}")
                wire.cut()


async def database_slow(stage: Stage, result: Result) -> None:
    """10: whoever uses the database waits two seconds for each statement, for a while."""
    async with stage.wired(DATABASE_USERS, "postgres") as wires, under_load(stage, result):
        for _ in range(result.rounds):
            await asyncio.sleep(1)
            for each in wires.values():
                each.delay_s = _SLOW_BY_S
            await asyncio.sleep(_SLOW_FOR_S)
            began = time.monotonic()
            for each in wires.values():
                each.heal()
            await asyncio.to_thread(stage.stack.wait_healthy)
            result.add("each statement 2 s later", time.monotonic() - began)


async def listen_dead(stage: Stage, result: Result) -> None:
    """20: the connection on which notifications come falls silent, at the gateway and at the relay. A reader sees what
    an agent writes within the polling interval, and commands come to their end. (A turn's stages would wake the reader
    by another way.)"""
    ledger = stage_ledger(stage, result)
    load = Load(stage.live, ledger, result.seed)
    async with (
        stage.wired(("gateway", "worker-delivery"), "postgres") as wires,
        stage.live.mesh(None) as mesh,
        stage.live.mesh(stage.live.token("agent", "fay")) as agents,
    ):
        for number in range(3 * result.rounds):
            customer = Conversation(load, mesh, agents, f"{ledger.path.stem}-{number}")
            await customer.open()
            await customer.post(UNANSWERABLE[number % len(UNANSWERABLE)])
            ticket_id = await customer.ticket()
            async with _reader(mesh, customer) as seen:
                silenced = [wire.silence(_listens) for wire in wires.values()]
                result.expect(all(silenced), "unexplained", "wire", "there was no LISTEN connection to silence")
                result.add("LISTEN connection silent", 0.0)
                await customer.reply(ticket_id, REPLIES[0])
                answered = await _answered(stage, customer.session_id)
                try:
                    shown = await asyncio.wait_for(seen.get(), _POLL_S + _LOOK_S)
                except TimeoutError:
                    result.expect(False, "lost", customer.session_id, "the reader was never shown what is there")
                else:
                    result.back_s[-1] = max(0.0, shown - answered)
            for wire in wires.values():
                wire.heal()
                # Else the next round would find a connection that has died of silence.
                wire.cut()
            await asyncio.to_thread(stage.stack.wait_healthy)
            await _listening(wires)
    await settle(stage, result, ledger)


def _listens(strand: Strand) -> bool:
    return b"LISTEN" in strand.said


async def _listening(wires: dict[str, Wire]) -> None:
    """Waits until each has a connection for notifications again."""
    async with asyncio.timeout(20):
        while not all(wire.count(_listens) for wire in wires.values()):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _reader(mesh: Mesh, customer: Conversation) -> AsyncIterator[asyncio.Queue[float]]:
    """When the stream showed what an agent wrote."""
    seen: asyncio.Queue[float] = asyncio.Queue()
    request = conversation_service_pb2.WatchSessionRequest(session_id=customer.session_id)
    stream = mesh.conversation.WatchSession(request, metadata=customer.metadata)

    async def read() -> None:
        async for each in stream:
            if each.update.message.role == conversation_pb2.MESSAGE_ROLE_AGENT:
                seen.put_nowait(time.time())

    task = asyncio.create_task(read())
    try:
        yield seen
    finally:
        stream.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _answered(stage: Stage, session_id: str) -> float:
    """Waits until an agent's words are there; since when they are."""
    query = (
        "select extract(epoch from min(created_at)) from conversation.messages "
        "where session_id = $1::text::uuid and role = 'agent'"
    )
    async with stage.live.owner() as conn, asyncio.timeout(60):
        while (at := await conn.fetchval(query, session_id)) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return float(at)


TRIALS = (
    Trial("9", "reply cut after the commit; the same request_id again", reply_cut, EMBEDDED, most_rounds=6),
    Trial("10", "PostgreSQL slow by two seconds", database_slow),
    Trial("20", "LISTEN connection silent: polling within its interval", listen_dead, most_rounds=2),
)
