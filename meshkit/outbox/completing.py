"""Marks commands done, those that end at the same time in one statement and one commit."""

import asyncio
from uuid import UUID

from meshkit.outbox import rows
from meshkit.outbox.rows import Claimed
from meshkit.postgres import Database

MOST_AT_ONCE = 500


class Completing:
    """While one statement is under way, what ends meanwhile gathers for the next: alone, nobody waits for company."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._waiting: list[tuple[Claimed, asyncio.Future[set[UUID]]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def complete(self, claimed: Claimed) -> bool:
        """True once the command is durably done; False if its lease was lost. Raises what the database raises."""
        future: asyncio.Future[set[UUID]] = asyncio.get_running_loop().create_future()
        self._waiting.append((claimed, future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return claimed.outbox_id in await future

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                try:
                    async with self._db.connection() as conn:
                        held = await rows.complete_many(conn, [claimed for claimed, _ in batch])
                except Exception as exc:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(exc)
                    continue
                for _, future in batch:
                    # Who waited for it may have been cancelled.
                    if not future.done():
                        future.set_result(held)
        finally:
            self._flushing = None
