"""A full pool through the wire: who can't be served is told so quickly and when to come again; nobody else suffers.

The database is made busy by a lock on the conversation's row: each message of it keeps a connection.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from google.rpc import code_pb2

from meshkit import testing
from meshkit.errors import RemoteError, from_rpc_error
from meshkit.postgres import OVERLOADED_RETRY_S

from .scripted import Customer, Talk, open_talk
from .test_deadlines import WAITING

POOL, WAITERS, PATIENCE_S = 2, 4, 0.5
SMALL = {"database_pool_size": POOL, "database_waiters": WAITERS, "database_acquire_timeout_s": PATIENCE_S}
AMPLE = {"database_pool_size": POOL, "database_waiters": 1000, "database_acquire_timeout_s": 30.0}
CALLS = 30


@dataclass
class Ended:
    """How a call ended, after how long."""

    refused: RemoteError | None
    took_s: float


async def post(customer: Customer, timeout_s: float | None = None) -> Ended:
    began = time.monotonic()
    request = customer.message("Hello?")
    try:
        await customer.stub.PostMessage(request, metadata=customer.credentials, timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        return Ended(from_rpc_error(error), time.monotonic() - began)
    return Ended(None, time.monotonic() - began)


@asynccontextmanager
async def busy(talk: Talk, customer: Customer, database_url: str) -> AsyncIterator[None]:
    """The conversation's row is locked meanwhile."""
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute("select from conversation.sessions where session_id = $1 for update", customer.id)
            yield
    finally:
        await holder.close()


async def waiting(talk: Talk, count: int) -> None:
    """Until so many statements of the gateway wait in the database."""

    async def look() -> bool:
        return bool(await talk.sql.fetchval(WAITING, "gateway") == count)

    await testing.eventually(look, timeout_s=15)


async def test_a_full_pool_is_resource_exhausted_quickly_and_recovers(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with open_talk(database_url, keys, tmp_path, **SMALL) as talk:
        customer, other = await talk.open(), await talk.open()
        async with busy(talk, customer, database_url):
            held = [asyncio.create_task(post(customer)) for _ in range(POOL)]
            await waiting(talk, POOL)
            ended = await asyncio.gather(*(post(other) for _ in range(CALLS)))
            assert {each.refused.code for each in ended if each.refused} == {code_pb2.RESOURCE_EXHAUSTED}
            for each in ended:
                assert each.refused is not None, "there was no connection to be had"
                assert (each.refused.reason, each.refused.retry_after_s) == ("OVERLOADED", OVERLOADED_RETRY_S)
                # The documented bound, and room for a machine that is shared.
                assert each.took_s < PATIENCE_S + 1.5
        assert [each.refused for each in await asyncio.gather(*held)] == [None] * POOL
        assert (await post(other)).refused is None


async def test_with_places_for_all_they_wait_and_are_served(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with open_talk(database_url, keys, tmp_path, **AMPLE) as talk:
        customer, other = await talk.open(), await talk.open()
        async with busy(talk, customer, database_url):
            held = [asyncio.create_task(post(customer)) for _ in range(POOL)]
            await waiting(talk, POOL)
            later = [asyncio.create_task(post(other)) for _ in range(CALLS)]
            done, _ = await asyncio.wait(later, timeout=2 * PATIENCE_S)
            assert not done
        ended = await asyncio.gather(*held, *later)
        assert [each.refused for each in ended] == [None] * (POOL + CALLS)


@pytest.mark.parametrize("timeout_s", [0.4, None])
async def test_a_caller_s_deadline_ends_its_wait_and_its_statement(
    database_url: str, keys: testing.Keys, tmp_path: Path, timeout_s: float | None
) -> None:
    one: dict[str, Any] = {"database_pool_size": 1, "database_waiters": 1, "database_acquire_timeout_s": 30.0}
    async with open_talk(database_url, keys, tmp_path, **one) as talk:
        customer = await talk.open()
        async with busy(talk, customer, database_url):
            holding = asyncio.create_task(post(customer, timeout_s))
            await waiting(talk, 1)
            if timeout_s is None:
                # The control: whoever has time goes on waiting, in the database and for it.
                follower = asyncio.create_task(post(customer))
                done, _ = await asyncio.wait([holding, follower], timeout=1.5)
                assert not done
                assert await talk.sql.fetchval(WAITING, "gateway") == 1
            else:
                ended = await holding
                assert ended.refused is not None and ended.refused.code == code_pb2.DEADLINE_EXCEEDED
                # No statement runs on for a caller who is gone, and the connection is free again: the next one gets it,
                # and no place among those who wait is lost.
                for _ in range(3):
                    await waiting(talk, 0)
                    again = await post(customer, timeout_s)
                    assert again.refused is not None and again.refused.code == code_pb2.DEADLINE_EXCEEDED
                await waiting(talk, 0)
                follower = asyncio.create_task(post(customer))
                await waiting(talk, 1)
        assert (await follower).refused is None
