"""The amqp road under test: a handler that does what the test says, with a database and a RabbitMQ node of its own.

As a program (`python -m tests.mesh.amqp_road DATABASE_URL AMQP_URL PREFIX`) it is a worker that can be killed: the
command `crash` takes its process with it.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from google.protobuf.wrappers_pb2 import StringValue

from meshkit import outbox
from meshkit.amqp import Broker, RoadPace, Traffic
from meshkit.amqp.topology import Topology
from meshkit.outbox import Attempt, Done, Handler, Outcome
from meshkit.outbox.relay import Pace
from meshkit.postgres import Database
from meshkit.testing import eventually

DELAYS_MS = (50, 200, 2_000)
PACE = Pace(poll_interval_s=0.05, lease_s=1.5, backoff_first_s=0.01, backoff_cap_s=0.2, max_attempts=3, drain_s=0.1)


class Say(Handler[StringValue]):
    """Does what the test says, and remembers its attempts."""

    type, command = "say", StringValue
    timeout_s, concurrency = 30.0, 4

    def __init__(self, behave: Callable[[str, Attempt], Awaitable[Outcome]]) -> None:
        self._behave = behave
        self.attempts: list[tuple[str, int]] = []

    async def handle(self, command: StringValue, attempt: Attempt) -> Outcome:
        self.attempts.append((command.value, attempt.number))
        return await self._behave(command.value, attempt)


def topology(prefix: str) -> Topology:
    return Topology({"say": "talk"}, prefix=prefix, delays_ms=DELAYS_MS)


def traffic(
    database: Database,
    handler: Handler[Any],
    url: str,
    prefix: str,
    *,
    republish_after_s: float = 60.0,
    heartbeat_s: int = 10,
    window: int = 100,
    lease_s: float = PACE.lease_s,
) -> Traffic:
    broker = Broker(url, heartbeat_s=heartbeat_s, operation_timeout_s=2.0, connect_timeout_s=5.0, longest_pause_s=0.5)
    return Traffic(
        database,
        [handler],
        broker,
        families={"say": "talk"},
        worker=prefix,
        pace=RoadPace(replace(PACE, lease_s=lease_s), window, republish_after_s),
        topology=topology(prefix),
    )


@asynccontextmanager
async def running(road: Traffic) -> AsyncIterator[Traffic]:
    task = asyncio.create_task(road.run())
    try:
        yield road
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def put(database: Database, values: Iterable[str], ordering_key: UUID | None = None) -> None:
    async with database.transaction() as conn:
        for value in values:
            await outbox.put(conn, StringValue(value=value), type="say", key=value, ordering_key=ordering_key)


async def ended(database: Database, status: str, count: int, timeout_s: float = 20.0) -> None:
    async def check() -> bool:
        found = await database.fetchval("select count(*) from messaging.outbox where status = $1", status)
        return bool(found == count)

    await eventually(check, timeout_s=timeout_s)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Wire:
    """A TCP proxy that can fall silent: it then keeps its connections open and passes nothing on."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._passing = asyncio.Event()
        self._passing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    def fall_silent(self) -> None:
        self._passing.clear()

    def heal(self) -> None:
        self._passing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._passing.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


async def _work(database_url: str, amqp_url: str, prefix: str) -> None:
    async def crash_or_not(value: str, _: Attempt) -> Outcome:
        if value == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        return Done()

    database = await Database.open(database_url, name="worker")
    await traffic(database, Say(crash_or_not), amqp_url, prefix, republish_after_s=5.0).run()


if __name__ == "__main__":
    asyncio.run(_work(*sys.argv[1:]))
