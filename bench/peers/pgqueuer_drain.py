"""`python pgqueuer_drain.py URL COUNT PLACES`: fills PgQueuer's table and drains it; prints the seconds.

Runs in an environment of its own (requirements.txt) and imports nothing of ours. Its table is logged, as it is unless
told otherwise: a job is as durable as a row of the outbox.
"""

import json
import sys
import time

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

BATCH = 5_000


async def main(url: str, count: int, places: int) -> None:
    connection = await asyncpg.connect(url)
    queries = Queries.from_asyncpg_connection(connection)
    await queries.install()
    payload = json.dumps({"value": "x" * 64}).encode()
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        await queries.enqueue(["say"] * size, [payload] * size, [0] * size)
    await connection.execute("VACUUM ANALYZE")
    pool = await asyncpg.create_pool(url, min_size=2, max_size=10)
    queuer = PgQueuer.from_asyncpg_pool(pool)
    handled = 0

    @queuer.entrypoint("say")  # type: ignore[untyped-decorator]
    async def say(job: object) -> None:  # noqa: ARG001 - as the library calls it
        nonlocal handled
        handled += 1

    started = time.monotonic()
    await queuer.run(batch_size=places, mode=QueueExecutionMode.drain)
    seconds = time.monotonic() - started
    left = await connection.fetchval("SELECT count(*) FROM pgqueuer")
    print(json.dumps({"handled": handled, "left": left, "seconds": seconds}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
