"""Negative controls: with a guard taken away, the suite must find what the guard prevents."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from . import broker, database, frozen, identity, models, network, streams
from .checker import Kind
from .experiments import EMBEDDED, Body, Result, seed_of, under_load
from .stage import Stage
from .strikes import At, Strike

# What is lost is never done: nobody need wait for it as long as for what is late.
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Control:
    """A guard that is taken away, and what must be found then."""

    name: str
    finds: Kind
    body: Body
    roads: tuple[str, ...] = EMBEDDED

    async def run(self, stage: Stage, *, seed: int) -> Result:
        """What was found."""
        began = time.monotonic()
        result = Result(self.name, seed_of(self.name, seed), 1, patience_s=PATIENCE_S)
        try:
            await self.body(stage, result)
        finally:
            # What can't be done any more must not keep the next experiment from being quiet.
            async with _owner(stage) as conn:
                await conn.execute("delete from messaging.outbox where status <> 'done'")
            result.seconds = time.monotonic() - began
        return result


async def _struck(stage: Stage, result: Result, strike: Strike, times: int = 2) -> None:
    rng = random.Random(result.seed)
    for _ in range(times):
        result.add(strike.name, await strike.strike(stage, rng))


async def _without_request_ids(stage: Stage, result: Result) -> None:
    async with under_load(stage, result, agents=False, repeatable=False):
        await _struck(stage, result, At("gateway.message.committed", "gateway"))


async def _without_fence(stage: Stage, result: Result) -> None:
    # Both orchestrators start while it is away.
    async with stage.without("fence_off", "orchestrator"):
        await frozen.past_the_lease(stage, result)


async def _with_ticket_commands_deleted(stage: Stage, result: Result) -> None:
    stage.stack.stop("worker-delivery")
    try:
        async with under_load(stage, result, agents=False, most_sessions=12) as load:
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


async def _without_ticket_key(stage: Stage, result: Result) -> None:
    async with _owner(stage) as conn:
        index = await conn.fetchval("select pg_get_indexdef('ticketing.tickets_one_open_per_session_key'::regclass)")
        await conn.execute("drop index ticketing.tickets_one_open_per_session_key")
    try:
        async with (
            stage.without("ticket_by_key_off", "ticketing"),
            under_load(stage, result, agents=False),
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


async def _without_reply_key(stage: Stage, result: Result) -> None:
    async with (
        stage.without("reply_by_comment_off", "orchestrator"),
        under_load(stage, result),
    ):
        await _struck(stage, result, At("orchestrator.reply.committed", "orchestrator"))


async def _at_most_once(stage: Stage, result: Result) -> None:
    async with (
        stage.without("done_before_handled", "worker-delivery"),
        under_load(stage, result, agents=False),
    ):
        await _struck(stage, result, At("worker.ticket.made", "worker-delivery"))


def _without(guard: str, *processes: str, trial: Body) -> Body:
    """The experiment itself, with a guard taken out of processes."""

    async def body(stage: Stage, result: Result) -> None:
        async with AsyncExitStack() as stack:
            for each in processes:
                await stack.enter_async_context(stage.without(guard, each))
            await trial(stage, result)

    return body


async def _reply_cut_and_no_request_ids(stage: Stage, result: Result) -> None:
    await network.reply_cut(stage, result, repeatable=False)


async def _stalls_without_deadline(stage: Stage, result: Result) -> None:
    await models.stalls(stage, result, draft_timeout_s=300)


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
    Control("a reply is cut, and callers repeat without a request_id", "duplicated", _reply_cut_and_no_request_ids),
    Control(
        "the relay has a cursor: only ids beyond the last one seen",
        "lost",
        _without("cursor_on", "worker-delivery", trial=database.out_of_order),
    ),
    Control(
        "the relay waits for locked rows",
        "unexplained",
        _without("skip_locked_off", "worker-delivery", trial=database.transaction_held_open),
    ),
    Control(
        "a request_id is one for all callers",
        "lost",
        _without("request_owner_off", "ticketing", trial=identity.same_request),
    ),
    Control(
        "events come again, and replies are mirrored without a key",
        "duplicated",
        _without("reply_by_comment_off", "orchestrator", trial=identity.events_again),
    ),
    Control(
        "leases end by the worker's own clock",
        "duplicated",
        _without("lease_by_own_clock", "worker-delivery", trial=identity.wrong_clock),
    ),
    Control(
        "readers are woken by notifications alone",
        "lost",
        _without("stream_polling_off", "gateway", trial=network.listen_dead),
    ),
    Control("a draft has no deadline, and the model stalls", "unexplained", _stalls_without_deadline),
    Control(
        "whatever the evaluator says is believed",
        "unexplained",
        _without("plausibility_off", "orchestrator", trial=models.evaluator_mad),
    ),
    Control(
        "readers who come back are not asked where they were",
        "duplicated",
        _without("last_event_id_off", "gateway", trial=streams.readers_come_back),
    ),
    Control(
        "what the broker returns counts as published, and nothing is published again",
        "lost",
        broker.without_mandatory,
        broker.AMQP,
    ),
    Control("what was published is left to a broker that is erased", "lost", broker.not_published_again, broker.AMQP),
)
