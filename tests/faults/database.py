"""Experiments 11 and 12: what other transactions do to a relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import asyncpg

from meshkit.ids import new_id
from svc_gateway import store

from .experiments import Result, Trial, settle, stage_ledger, under_load
from .ledger import Entry, Ledger
from .load import Conversation, Load
from .stage import Stage

_AT_ONCE = 16
# Scaled down from minutes: a relay looks four times a second, and a command's lease is four seconds.
_HELD_S = 20.0
_OTHERS_PATIENCE_S = 15.0
_GRACE_S = 1.0
_PENDING = "select count(*) from messaging.outbox where status = 'pending' and outbox_id <> all ($1::uuid[])"
_DONE = "select status <> 'pending' from messaging.outbox where outbox_id = $1"


async def out_of_order(stage: Stage, result: Result) -> None:
    """11: messages are written in one order and committed in another, so that larger ids are seen before smaller."""
    ledger = stage_ledger(stage, result)
    rng = result.rng
    patience_s = 5.0
    for _ in range(result.rounds):
        async with AsyncExitStack() as stack:
            customers = await _customers(stage, ledger, _AT_ONCE, result)
            writes = [
                await stack.enter_async_context(_Write.open(stage, each, "How do I reset it?")) for each in customers
            ]
            rng.shuffle(writes)
            for each in writes:
                await each.commit(ledger)
                result.add("commit out of order")
                # The next is committed when this one has been handled: a cursor would have moved past it.
                patience_s = 5.0 if await _done(stage, each.outbox_id, patience_s) else 0.2
    await settle(stage, result, ledger)


async def transaction_held_open(stage: Stage, result: Result) -> None:
    """12: one transaction has written and doesn't commit, another has locked a command that is due. Everybody else's
    commands come to their end meanwhile, and those two when they are let go."""
    ledger = stage_ledger(stage, result)
    writer, locked = await _customers(stage, ledger, 2, result)
    async with _Write.open(stage, writer, "Where is my order?") as open_write, stage.live.owner() as locker:
        async with _Write.open(stage, locked, "Where is my parcel?", grace_s=_GRACE_S) as write:
            await write.commit(ledger)
            held = write.outbox_id
        transaction = locker.transaction()
        await transaction.start()
        found = await locker.fetchval(
            "select outbox_id from messaging.outbox where outbox_id = $1 and status = 'pending' for update", held
        )
        assert found == held, "it was handled before it could be locked"
        result.add("transaction held open")
        result.add("command locked")
        began = time.monotonic()
        async with under_load(stage, result, most_sessions=12) as load:
            try:
                async with asyncio.timeout(_HELD_S + 60):
                    await load.finished.wait()
                    took = await others_done(stage, [held, open_write.outbox_id], _OTHERS_PATIENCE_S)
            except TimeoutError:
                took = None
            result.expect(took is not None, "unexplained", "relay", "it stood still behind an open transaction")
            await asyncio.sleep(max(0.0, began + _HELD_S - time.monotonic()))
            await transaction.rollback()
            await open_write.commit(ledger)
    result.measured["others done, after the load (s)"] = "never" if took is None else f"{took:.1f}"
    await settle(stage, result, ledger)


async def _customers(stage: Stage, ledger: Ledger, count: int, result: Result) -> list[Conversation]:
    load = Load(stage.live, ledger, result.seed)
    async with stage.live.mesh(None) as mesh:
        customers = [Conversation(load, mesh, mesh, f"{ledger.path.stem}-{time.time_ns()}-{n}") for n in range(count)]
        for each in customers:
            await each.open()
    return customers


class _Write:
    """What the gateway writes for a message, in a transaction of its own that is not committed yet."""

    def __init__(self, conn: asyncpg.Connection, customer: Conversation, content: str) -> None:
        self._conn = conn
        self._customer = customer
        self._content = content
        self._message_id = new_id()
        self.outbox_id = new_id()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, stage: Stage, customer: Conversation, content: str, *, grace_s: float = 0.0
    ) -> AsyncIterator[_Write]:
        async with stage.live.owner() as conn:
            write = cls(conn, customer, content)
            write._transaction = conn.transaction()
            await write._transaction.start()
            await conn.fetchrow(
                store.queries.post_message,
                UUID(customer.session_id),
                write._message_id,
                content,
                str(write._message_id),
                write.outbox_id,
                grace_s,
                None,
            )
            yield write

    async def commit(self, ledger: Ledger) -> None:
        """From now on it is promised."""
        await self._transaction.commit()
        session_id, message_id = self._customer.session_id, str(self._message_id)
        ledger.acknowledged(Entry("post", session_id, message_id, message_id, self._content, time.time()))


async def _done(stage: Stage, outbox_id: UUID, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    async with stage.live.owner() as conn:
        while not await conn.fetchval(_DONE, outbox_id):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
    return True


async def others_done(stage: Stage, but: list[UUID], patience_s: float) -> float | None:
    """Waits until all commands but these came to their end; how long that took, None if it was too long."""
    began = time.monotonic()
    async with stage.live.owner() as conn:
        while await conn.fetchval(_PENDING, but):
            if time.monotonic() - began > patience_s:
                return None
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def pending(stage: Stage) -> list[UUID]:
    """The commands that are to be done now."""
    async with stage.live.owner() as conn:
        return [row[0] for row in await conn.fetch("select outbox_id from messaging.outbox where status = 'pending'")]


async def ended(stage: Stage, commands: list[UUID], patience_s: float) -> bool:
    """Waits until these have come to their end, whatever else comes meanwhile; False if it was too long."""
    return all([await _done(stage, each, patience_s) for each in commands])


TRIALS = (
    Trial("11", "concurrent commits out of order: no row skipped", out_of_order, most_rounds=2),
    Trial("12", "a transaction held open: the relay goes on", transaction_held_open),
)
