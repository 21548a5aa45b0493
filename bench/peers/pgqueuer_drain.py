"""`python pgqueuer_drain.py URL PID COUNT PLACES`: fills PgQueuer's table and drains it; prints the seconds.

Also the CPU of this process and of PostgreSQL, whose PID is given.
Runs in an environment of its own (requirements.txt) and imports nothing of ours. Its table is logged, as it is unless
told otherwise: a job is as durable as a row of the outbox.
"""

import json
import sys
import time

import asyncpg
import psutil
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

BATCH = 5_000


def cpu_seconds(server: int) -> float:
    """User and system time of the server's processes that live."""
    process = psutil.Process(server)
    times = [each.cpu_times() for each in (process, *process.children())]
    return float(sum(each.user + each.system for each in times))


async def main(url: str, server: int, count: int, places: int) -> None:
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

    started, own, servers = time.monotonic(), time.process_time(), cpu_seconds(server)
    await queuer.run(batch_size=places, mode=QueueExecutionMode.drain)
    spent = {
        "seconds": time.monotonic() - started,
        "own_cpu_s": time.process_time() - own,
        "server_cpu_s": cpu_seconds(server) - servers,
    }
    left = await connection.fetchval("SELECT count(*) FROM pgqueuer")
    print(json.dumps({**spent, "handled": handled, "left": left}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
