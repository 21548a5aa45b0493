"""`python -m bench.outbox_worker bare|drain|latency URL …`: the relay in a process of its own, beside nothing else.

A PID is PostgreSQL's: what it took of the CPU is said, too.
"""

import asyncio
import json
import sys
import time

import asyncpg
import uvloop
from google.protobuf.wrappers_pb2 import StringValue

from bench.processes import cpu_seconds
from meshkit import outbox
from meshkit.amqp import Broker, RoadPace, Traffic
from meshkit.listener import Listener
from meshkit.outbox import Attempt, Done, EmbeddedRoad, Handler, Outcome, Relay
from meshkit.outbox.rows import complete_many
from meshkit.postgres import Database

CHANNEL = "groundline_bench"
WARM_UP = 20
FILL = """
INSERT INTO messaging.outbox (outbox_id, type, payload_json, idempotency_key)
SELECT id, 'say', to_jsonb(repeat('x', 64)), id::text
FROM (SELECT uuidv7() AS id FROM generate_series(1, $1::int)) AS made
"""
LEFT = "SELECT count(*) FROM messaging.outbox WHERE status = 'pending'"


class Say(Handler[StringValue]):
    """Does nothing; remembers when."""

    type, command = "say", StringValue

    def __init__(self, places: int) -> None:
        # The relay reads the class' by default; here it is measured at several.
        self.concurrency = places  # type: ignore[misc]
        self.handled: dict[str, float] = {}
        self.count = 0

    async def handle(self, command: StringValue, attempt: Attempt) -> Outcome:
        self.count += 1
        self.handled.setdefault(attempt.key, time.monotonic())
        return Done()


def _road(database: Database, handler: Say, amqp_url: str) -> Relay | Traffic:
    if not amqp_url:
        return Relay(database, EmbeddedRoad({handler.type: handler}, worker="bench"), [handler])
    broker = Broker(amqp_url, heartbeat_s=10, operation_timeout_s=5.0)
    return Traffic(
        database,
        [handler],
        broker,
        families={"say": "bench"},
        worker="bench",
        pace=RoadPace(window=4 * handler.concurrency),
    )


async def _fill(url: str, count: int) -> "asyncpg.Connection[asyncpg.Record]":
    owner = await asyncpg.connect(url)
    await owner.execute("TRUNCATE messaging.outbox")
    await owner.execute(FILL, count)
    await owner.execute("VACUUM ANALYZE messaging.outbox")
    return owner


class Spending:
    """Time on the clock, and CPU of this process and of the server, from its making."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._started = self._now()

    def _now(self) -> tuple[float, float, float]:
        return time.monotonic(), time.process_time(), cpu_seconds(self._server)

    def so_far(self) -> dict[str, float]:
        """By name, in seconds."""
        spent = [now - then for now, then in zip(self._now(), self._started, strict=True)]
        return dict(zip(("seconds", "own_cpu_s", "server_cpu_s"), spent, strict=True))


async def bare(url: str, server: int, count: int, places: int) -> dict[str, float]:
    """The relay's own statements one after the other, with nothing between: what a single connection can carry."""
    owner = await _fill(url, count)
    handled, spending = 0, Spending(server)
    while claimed := await outbox.claim(owner, {"say": places}, lease_s=30.0):
        handled += len(await complete_many(owner, claimed))
    return {**spending.so_far(), "handled": handled, "left": await owner.fetchval(LEFT)}


async def drain(url: str, server: int, count: int, places: int, amqp_url: str = "") -> dict[str, float]:
    """Fills the outbox, and times the relay until every command is durably done."""
    owner = await _fill(url, count)
    handler = Say(places)
    # As many connections stand beforehand as the peer's.
    database = await Database.open(url, name="bench", min_size=2, max_size=10)
    road = _road(database, handler, amqp_url)
    spending = Spending(server)
    task = asyncio.create_task(road.run())
    while handler.count < count or await owner.fetchval(LEFT):  # noqa: ASYNC110 - the table says when all is done
        await asyncio.sleep(0.01)
    spent = spending.so_far()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return {**spent, "handled": len(handler.handled), "left": await owner.fetchval(LEFT)}


async def latency(url: str, count: int, rate: float, amqp_url: str = "") -> dict[str, list[float]]:
    """Seconds from a command's commit to its handler, for `count` commands written at `rate` a second."""
    handler = Say(8)
    database = await Database.open(url, name="bench", max_size=10)
    await database.execute("TRUNCATE messaging.outbox")
    road = _road(database, handler, amqp_url)
    listener = Listener(url)
    await listener.subscribe(CHANNEL, road.wake)
    tasks = [asyncio.create_task(each) for each in (road.run(), listener.run())]
    committed: dict[str, float] = {}

    async def put(key: str) -> None:
        async with database.transaction() as conn:
            await outbox.put(conn, StringValue(value="x" * 64), type="say", key=key)
            await conn.execute("SELECT pg_notify($1, '')", CHANNEL)
        committed[key] = time.monotonic()

    # Until the road is open, and its statements are planned.
    for number in range(WARM_UP):
        await put(f"warm-up-{number}")
        while len(handler.handled) <= number:  # noqa: ASYNC110 - a look each 10 ms disturbs least
            await asyncio.sleep(0.01)
    committed.clear()
    started = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        await put(f"latency-{number}")
    while len(handler.handled) < WARM_UP + count:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"seconds": [round(handler.handled[key] - at, 6) for key, at in committed.items()]}


def main(kind: str, url: str, *rest: str) -> None:
    found: object
    if kind == "bare":
        server, count, places = map(int, rest)
        found = uvloop.run(bare(url, server, count, places))
    elif kind == "drain":
        server, count, places = map(int, rest[:3])
        found = uvloop.run(drain(url, server, count, places, *rest[3:]))
    else:
        found = uvloop.run(latency(url, int(rest[0]), float(rest[1]), *rest[2:]))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
