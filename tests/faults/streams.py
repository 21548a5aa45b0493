"""Experiments 22 and 31: hundreds of readers come back at once, or hardly read."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from .experiments import EMBEDDED, Result, Trial, settle, stage_ledger
from .load import Conversation, Load
from .stage import Stage

READERS, CONVERSATIONS = 500, 50
SLOW_READERS, SLOW_CONVERSATIONS = 1000, 80
_CATCH_UP_S = 60.0
# A conversation's worth of text that a reader doesn't take: 100 messages of 8,000 characters.
_MESSAGES, _LONG = 100, 8_000
# What a stream may cost a process while nobody reads: a page of messages, and the transport's buffers.
_MOST_KIB_PER_READER = {"gateway": 512, "envoy": 1024}
_FILL = """
with numbered as (
    select session_id, n from unnest($1::uuid[]) as session_id, generate_series(1, $2) as n
), grown as (
    insert into conversation.messages (message_id, session_id, sequence, role, content)
    select gen_random_uuid(), session_id, n, 'agent', repeat('x', $3) from numbered returning session_id
)
update conversation.sessions set last_sequence = $2, revision = revision + 1 where session_id = any ($1::uuid[])
"""


class Reader:
    """An EventSource: reads, and after a loss comes back with the last id that it saw."""

    def __init__(self, stage: Stage, customer: Conversation, rng: random.Random) -> None:
        self._port = stage.stack.ports.edge
        self.customer = customer
        self._pause_s = rng.uniform(0.1, 1.0)
        self.seen: list[int] = []
        self.connections = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async for line in self._lines():
                    if line.startswith("id:"):
                        self.seen.append(int(line[3:]))
            except (OSError, asyncio.IncompleteReadError, ValueError):
                pass
            await asyncio.sleep(self._pause_s)

    async def _lines(self) -> AsyncIterator[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request(self.customer, self.seen[-1] if self.seen else None))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.partition(b"\r\n")[0]:
                return
            self.connections += 1
            rest = b""
            while size := int(await reader.readline() or b"0", 16):
                rest += (await reader.readexactly(size + 2))[:-2]
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    yield line.decode()
        finally:
            writer.close()


def request(customer: Conversation, last_event_id: int | None) -> bytes:
    """The GET of a stream."""
    token = customer.metadata[0][1]
    lines = [f"GET /v1/sessions/{customer.session_id}/stream HTTP/1.1", "host: edge", f"authorization: {token}"]
    if last_event_id is not None:
        lines.append(f"last-event-id: {last_event_id}")
    return ("\r\n".join([*lines, "", ""])).encode()


async def readers_come_back(stage: Stage, result: Result) -> None:
    """22: five hundred readers are cut off by restarts and kills of the gateway and of the edge, while customers
    write. Each sees every message once."""
    ledger = stage_ledger(stage, result)
    load = Load(stage.live, ledger, result.seed)
    rng = result.rng
    async with stage.live.mesh(None) as mesh:
        customers = [Conversation(load, mesh, mesh, f"{ledger.path.stem}-{n}") for n in range(CONVERSATIONS)]
        for each in customers:
            await each.open()
            await each.post("Hello!")
        readers = [Reader(stage, customers[n % CONVERSATIONS], rng) for n in range(READERS)]
        tasks = [asyncio.create_task(each.run()) for each in readers]
        try:
            await _until(lambda: all(each.connections for each in readers), _CATCH_UP_S)
            for strike in ("restart gateway", "kill -9 gateway", "restart envoy", "kill -9 envoy"):
                for _ in range(result.rounds):
                    began = time.monotonic()
                    process = strike.split()[-1]
                    if strike.startswith("kill"):
                        await stage.replaced(process, await stage.kill9(process))
                    else:
                        await stage.restart(process)
                    result.add(strike, time.monotonic() - began)
                    for each in rng.sample(customers, 10):
                        await each.post(f"Are you there? ({result.faults})")
            await settle(stage, result, ledger)
            chains = await _chains(stage, [each.session_id for each in customers])
            began = time.monotonic()
            await _until(
                lambda: all(set(each.seen) >= chains[each.customer.session_id] for each in readers),
                _CATCH_UP_S,
            )
            result.measured["all readers caught up after (s)"] = f"{time.monotonic() - began:.1f}"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    for each in readers:
        wanted = chains[each.customer.session_id]
        result.expect(set(each.seen) >= wanted, "lost", each.customer.session_id, "a reader was never shown a message")
        result.expect(len(each.seen) == len(set(each.seen)), "duplicated", each.customer.session_id, "shown twice")
        result.expect(each.seen == sorted(each.seen), "unexplained", each.customer.session_id, "out of order")
    result.measured["connections of 500 readers"] = str(sum(each.connections for each in readers))


async def readers_hardly_read(stage: Stage, result: Result) -> None:
    """31: a thousand readers ask for long conversations and take nothing. Memory stays bounded, and who reads is
    served."""
    ledger = stage_ledger(stage, result)
    load = Load(stage.live, ledger, result.seed)
    before = {name: _resident_kib(stage.stack.pid(name)) for name in _MOST_KIB_PER_READER}
    async with stage.live.mesh(None) as mesh:
        customers = [Conversation(load, mesh, mesh, f"{ledger.path.stem}-{n}") for n in range(SLOW_CONVERSATIONS)]
        for each in customers:
            await each.open()
        async with stage.live.owner() as conn:
            await conn.execute(_FILL, [each.session_id for each in customers], _MESSAGES, _LONG)
        sockets = []
        try:
            for number in range(SLOW_READERS):
                sockets.append(await _asks_and_does_not_read(stage, customers[number % SLOW_CONVERSATIONS]))
                result.add("reader that takes nothing")
            highest = dict(before)
            for _ in range(20):
                for name in highest:
                    highest[name] = max(highest[name], _resident_kib(stage.stack.pid(name)))
                await asyncio.sleep(0.25)
            reader = Reader(stage, customers[0], result.rng)
            task = asyncio.create_task(reader.run())
            served = await _until(lambda: len(reader.seen) >= _MESSAGES, 30)
            task.cancel()
            result.expect(served, "lost", customers[0].session_id, "one who reads was not served beside them")
        finally:
            for each_socket in sockets:
                each_socket.close()
    for name, most in _MOST_KIB_PER_READER.items():
        grown = highest[name] - before[name]
        result.measured[f"{name} grew by (KiB a reader)"] = f"{grown / SLOW_READERS:.0f}"
        result.expect(
            grown < most * SLOW_READERS, "unexplained", name, f"grew by {grown / SLOW_READERS:.0f} KiB a reader"
        )
    await settle(stage, result, ledger)


async def _asks_and_does_not_read(stage: Stage, customer: Conversation) -> socket.socket:
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await loop.sock_connect(connection, ("127.0.0.1", stage.stack.ports.edge))
    await loop.sock_sendall(connection, request(customer, None))
    return connection


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


async def _until(holds: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


async def _chains(stage: Stage, sessions: list[str]) -> dict[str, set[int]]:
    query = """
    select session_id::text, array_agg(sequence) as chain from conversation.messages
    where session_id = any ($1::uuid[]) group by 1
    """
    async with stage.live.owner() as conn:
        return {row["session_id"]: set(row["chain"]) for row in await conn.fetch(query, sessions)}


TRIALS = (
    Trial("22", "five hundred readers come back after restarts: no gap, nothing twice", readers_come_back),
    Trial("31", "a thousand readers that take nothing: memory bounded", readers_hardly_read, EMBEDDED),
)
