"""Negative controls: with a guard taken away, the suite must find what the guard prevents."""

from __future__ import annotations

import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from . import frozen
from .checker import Kind
from .experiments import Result, under_load
from .stage import Stage
from .strikes import At, Strike

# What is lost is never done: nobody need wait for it as long as for what is late.
PATIENCE_S = 10.0

Body = Callable[[Stage, Result], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Control:
    """A guard that is taken away, and what must be found then."""

    name: str
    finds: Kind
    body: Body

    async def run(self, stage: Stage, *, seed: int) -> Result:
        """What was found."""
        result = Result(self.name, seed * 100_000 + zlib.crc32(self.name.encode()) % 99_999, 1)
        try:
            return await self.body(stage, result)
        finally:
            # What can't be done any more must not keep the next experiment from being quiet.
            async with _owner(stage) as conn:
                await conn.execute("delete from messaging.outbox where status <> 'done'")


async def _struck(stage: Stage, result: Result, strike: Strike, times: int = 2) -> None:
    rng = random.Random(result.seed)
    for _ in range(times):
        result.add(strike.name, await strike.strike(stage, rng))


async def _without_request_ids(stage: Stage, result: Result) -> Result:
    async with under_load(stage, result, agents=False, repeatable=False, quiet_timeout_s=PATIENCE_S):
        await _struck(stage, result, At("gateway.message.committed", "gateway"))
    return result


async def _without_fence(stage: Stage, result: Result) -> Result:
    # Both orchestrators start while it is away.
    async with stage.without("fence_off", "orchestrator"):
        found = await frozen.run(stage, seed=result.seed)
    found.name = result.name
    return found


async def _with_ticket_commands_deleted(stage: Stage, result: Result) -> Result:
    stage.stack.stop("worker-delivery")
    try:
        async with under_load(stage, result, agents=False, most_sessions=12, quiet_timeout_s=PATIENCE_S) as load:
            await load.finished.wait()
            async with _owner(stage) as conn:
                status = await conn.execute(
                    "delete from messaging.outbox where type = 'create_ticket' and status = 'pending'"
                )
            result.add("commands deleted", 0.0)
            assert status != "DELETE 0", "nothing was handed over: the control shows nothing"
            stage.stack.start("worker-delivery")
    finally:
        stage.stack.up()
    return result


async def _without_ticket_key(stage: Stage, result: Result) -> Result:
    async with _owner(stage) as conn:
        index = await conn.fetchval("select pg_get_indexdef('ticketing.tickets_one_open_per_session_key'::regclass)")
        await conn.execute("drop index ticketing.tickets_one_open_per_session_key")
    try:
        async with (
            stage.without("ticket_by_key_off", "ticketing"),
            under_load(stage, result, agents=False, quiet_timeout_s=PATIENCE_S),
        ):
            await _struck(stage, result, At("ticketing.ticket.committed", "ticketing"))
    finally:
        async with _owner(stage) as conn, conn.transaction():
            await conn.execute(
                """
                update ticketing.tickets t set status = 'closed' where status in ('open', 'pending') and exists (
                    select from ticketing.tickets later where later.session_id = t.session_id
                        and later.status in ('open', 'pending') and later.ticket_id > t.ticket_id)
                """
            )
            await conn.execute(index)
    return result


async def _without_reply_key(stage: Stage, result: Result) -> Result:
    async with (
        stage.without("reply_by_comment_off", "orchestrator"),
        under_load(stage, result, quiet_timeout_s=PATIENCE_S),
    ):
        await _struck(stage, result, At("orchestrator.reply.committed", "orchestrator"))
    return result


async def _at_most_once(stage: Stage, result: Result) -> Result:
    async with (
        stage.without("done_before_handled", "worker-delivery"),
        under_load(stage, result, agents=False, quiet_timeout_s=PATIENCE_S),
    ):
        await _struck(stage, result, At("worker.ticket.made", "worker-delivery"))
    return result


@asynccontextmanager
async def _owner(stage: Stage) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(stage.stack.database_url())
    try:
        yield conn
    finally:
        await conn.close()


CONTROLS = (
    Control("callers repeat without a request_id", "duplicated", _without_request_ids),
    Control("no fence: a lease that passed on still commits", "duplicated", _without_fence),
    Control("the outbox loses commands", "lost", _with_ticket_commands_deleted),
    Control("tickets are made without a key", "duplicated", _without_ticket_key),
    Control("replies are mirrored without a key", "duplicated", _without_reply_key),
    Control("commands are marked done when claimed, not when handled", "lost", _at_most_once),
)
