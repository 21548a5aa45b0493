"""A rolling restart under load: every service, one replica after the other, and no call of a client fails."""

import asyncio
import json
import uuid
from collections.abc import Iterator

import httpx
import pytest

from cli.stack import StackError, rolling
from meshkit.testing import eventually

from ..stack import Live, whole_stack

WRITERS = 4


@pytest.fixture(scope="module")
def pair() -> Iterator[Live]:
    """A stack with two processes of each service."""
    with whole_stack(samples=False, replicas=2) as live:
        yield live


class Customers:
    """Open sessions, write, and read back, on kept connections; what failed is kept word for word."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.calls = 0
        self.failed: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Customers":
        self._tasks = [asyncio.create_task(self._write()) for _ in range(WRITERS)]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self) -> None:
        async with self._live.http() as http:
            while True:
                session = await self._call(http, "POST", "/v1/sessions", {"channel": "web"})
                if session is None:
                    continue
                path = f"/v1/sessions/{session['session']['session_id']}/messages"
                http.headers["authorization"] = f"Bearer {session['session_token']}"
                await self._call(http, "POST", path, {"content": "Hello", "request_id": str(uuid.uuid4())})
                await self._call(http, "GET", path, None)
                del http.headers["authorization"]

    async def _call(self, http: httpx.AsyncClient, method: str, path: str, body: object) -> dict[str, dict[str, str]]:
        self.calls += 1
        try:
            reply = await http.request(method, path, json=body)
        except httpx.HTTPError as exc:
            self.failed.append(f"{method} {path}: {exc!r}")
            return None  # type: ignore[return-value]
        if reply.is_success:
            return reply.json()
        self.failed.append(f"{method} {path}: {reply.status_code} {reply.text[:300]}")
        return None  # type: ignore[return-value]


class Reader:
    """Follows one session by SSE as a browser does: comes back by its last event id, after the time it was told."""

    def __init__(self, live: Live, session_id: str, token: str) -> None:
        self._live, self._path = live, f"/v1/sessions/{session_id}/stream"
        self._headers = {"authorization": f"Bearer {token}"}
        self.seen: list[str] = []
        self.connections = 0
        self.retries: list[int] = []
        self.refused: list[int] = []

    async def run(self) -> None:
        last, pause_s = "", 0.5
        async with self._live.http() as http:
            while True:
                headers = {**self._headers, **({"last-event-id": last} if last else {})}
                try:
                    async with http.stream("GET", self._path, headers=headers, timeout=60) as reply:
                        if reply.status_code != 200:
                            self.refused.append(reply.status_code)
                        else:
                            self.connections += 1
                            async for line in reply.aiter_lines():
                                if line.startswith("id: "):
                                    last = line[4:]
                                elif line.startswith("retry: "):
                                    self.retries.append(int(line[7:]))
                                    pause_s = int(line[7:]) / 1000
                                elif line.startswith("data: ") and "sequence" in (said := json.loads(line[6:])):
                                    self.seen.append(said["message_id"])
                except httpx.HTTPError as exc:
                    self.refused.append(-1 if exc else 0)
                await asyncio.sleep(pause_s)


async def test_no_call_fails_while_every_service_restarts(pair: Live) -> None:
    stack = pair.stack
    before = {line.name: line.pid for line in stack.status()}
    async with Customers(pair) as customers, pair.http() as http:
        opened = (await http.post("/v1/sessions", json={"channel": "web"})).json()
        session_id, token = opened["session"]["session_id"], opened["session_token"]
        readers = [Reader(pair, session_id, token) for _ in range(6)]
        tasks = [asyncio.create_task(reader.run()) for reader in readers]
        written: list[str] = []

        async def write() -> None:
            while True:
                reply = await http.post(
                    f"/v1/sessions/{session_id}/messages",
                    json={"content": "Still there?"},
                    headers={"authorization": f"Bearer {token}"},
                )
                written.append(reply.raise_for_status().json()["message_id"])
                await asyncio.sleep(0.2)

        writing = asyncio.create_task(write())
        restarted = await asyncio.to_thread(rolling.restart, stack, [], rolling=True)
        calls = customers.calls
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

        async def all_seen() -> bool:
            return all(set(written) <= set(reader.seen) for reader in readers)

        await eventually(all_seen, timeout_s=30)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not customers.failed, customers.failed[:5]
    assert calls > 200, "nothing was at stake"
    after = {line.name: line.pid for line in stack.status()}
    assert {name for name in before if before[name] != after[name]} == set(restarted), "each is a new process"
    assert len(restarted) == 14
    for reader in readers:
        # No gap, no doubling, in order; moved at least once, and never turned away.
        own = [each for each in reader.seen if each in set(written)]
        assert own == written
        assert reader.connections >= 2
        assert not reader.refused
    assert len({each for reader in readers for each in reader.retries}) > 3, "they don't come back all at once"


async def test_without_the_draining_calls_do_fail(pair: Live) -> None:
    """The control: killed instead of drained, both replicas of the gateway at once, customers notice."""
    async with Customers(pair) as customers:

        async def under_way() -> bool:
            return customers.calls > 20

        await eventually(under_way)
        pair.stack.kill9("gateway")
        pair.stack.kill9("gateway-2")

        async def noticed() -> bool:
            return bool(customers.failed)

        await eventually(noticed)
    pair.stack.wait_healthy()


def test_one_replica_alone_can_t_be_rolled(live: Live) -> None:
    with pytest.raises(StackError, match="--replicas 2"):
        rolling.restart(live.stack, [], rolling=True)
