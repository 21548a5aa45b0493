"""Where a relay's commands come from, and what becomes of a command's way when its attempt has ended."""

from collections.abc import Mapping
from typing import Protocol

from meshkit.outbox import rows
from meshkit.outbox.road import Carried
from meshkit.outbox.rows import Claimed
from meshkit.postgres import Connection, Database


class Source(Protocol):
    """Leases commands for a relay. The relay records what came of each, and then says so here."""

    async def claim(self, free: Mapping[str, int], *, lease_s: float) -> list[Claimed]:
        """Up to `free[type]` commands of each type, under lease. May raise what a database raises that is away."""

    def at_most(self, type: str, free: int) -> int:
        """How many of the `free` places of a type a claim could fill, as far as is known without asking."""

    async def retry(self, conn: Connection, claimed: Claimed, *, error: str, after_s: float) -> bool:
        """Gives a command back whose attempt failed, due in `after_s` seconds; False if the lease was lost."""

    async def ended(self, claimed: Claimed, outcome: Carried | None) -> None:
        """The attempt is over, recorded with `outcome`; None if nothing could be recorded. Never raises."""


class Table:
    """The outbox itself: whatever is due."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def claim(self, free: Mapping[str, int], *, lease_s: float) -> list[Claimed]:
        """Oldest due first; each claim counts as an attempt."""
        async with self._db.connection() as conn:
            return await rows.claim(conn, free, lease_s=lease_s)

    def at_most(self, type: str, free: int) -> int:
        """All of them: what is due is known only to the table."""
        return free

    async def retry(self, conn: Connection, claimed: Claimed, *, error: str, after_s: float) -> bool:
        """The row waits."""
        return await rows.retry(conn, claimed, error=error, after_s=after_s)

    async def ended(self, claimed: Claimed, outcome: Carried | None) -> None:
        """The row says it all."""
