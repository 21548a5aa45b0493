"""Keeps claims cheap however much waits and however much is done: sets blocked commands aside, deletes what is old."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from meshkit import postgres
from meshkit.errors import DomainError
from meshkit.outbox import rows
from meshkit.postgres import Connection, Database
from meshkit.telemetry import counter, get_logger

log = get_logger(__name__)

PURGED = counter("groundline_purged_total", "Rows deleted for their age.", ["name"])

Purge = Callable[[Connection, float, int], Awaitable[int]]
"""Deletes rows older than so many seconds, at most so many, and says how many."""

BATCH = 1000
PARK_EVERY_S = 1.0
# A backoff shorter than this isn't worth two updates.
WORTH_PARKING_S = 2.0
PURGE_EVERY_S = 60.0


class Tidying:
    """One loop; as many processes as like may run it, for each skips what another has locked."""

    def __init__(self, database: Database, *, retention_s: float, purges: Mapping[str, Purge] | None = None) -> None:
        """Done commands, remembered deliveries and what `purges` deletes are kept for `retention_s` seconds."""
        self._db = database
        self._retention_s = retention_s
        self._purges: dict[str, Purge] = {
            "outbox": lambda conn, age, limit: rows.purge_done(conn, older_than_s=age, limit=limit),
            "inbox": lambda conn, age, limit: rows.purge_inbox(conn, older_than_s=age, limit=limit),
            **(purges or {}),
        }

    async def run(self) -> None:
        """Until cancelled."""
        purged_at = -PURGE_EVERY_S
        while True:
            try:
                await self.park()
                if time.monotonic() - purged_at >= PURGE_EVERY_S:
                    purged_at = time.monotonic()
                    await self.purge()
            except Exception as exc:
                if not isinstance(exc, DomainError) and postgres.translate(exc) is None:
                    raise
                log.warning("tidying_failed", error=type(exc).__name__)
            await asyncio.sleep(PARK_EVERY_S)

    async def park(self) -> None:
        """Sets aside what waits behind a backoff, and takes back what is first now."""
        async with self._db.connection() as conn:
            while await rows.park_followers(conn, longer_than_s=WORTH_PARKING_S, limit=BATCH) == BATCH:
                pass
            await rows.unpark_heads(conn)

    async def purge(self) -> None:
        """Deletes all that is old enough, in batches that each commit: nobody waits long for a lock of one."""
        for what, purge in self._purges.items():
            count = BATCH
            while count == BATCH:
                async with self._db.connection() as conn:
                    count = await purge(conn, self._retention_s, BATCH)
                PURGED.labels(what).inc(count)
