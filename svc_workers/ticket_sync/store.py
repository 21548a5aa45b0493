"""The table messaging.cursors. Every function takes a connection: the caller owns the transaction."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from meshkit.postgres import Connection, load_queries

_queries = load_queries(__package__)


@dataclass(frozen=True, slots=True)
class Leased:
    """A cursor that nobody else moves. `position` is the feed's own; empty: begin at `settled_at`."""

    position: str
    settled_at: datetime
    lease_token: UUID


async def take_cursor(conn: Connection, name: str, *, lease_s: float) -> Leased | None:
    """Leases the cursor, made if there is none; None if somebody else has it."""
    await conn.execute(_queries.make_cursor, name)
    row = await conn.fetchrow(_queries.take_cursor, name, lease_s)
    return Leased(**row) if row else None


async def advance_cursor(
    conn: Connection, name: str, lease_token: UUID, position: str, settled_at: datetime, *, lease_s: float
) -> bool:
    """Moves the cursor and prolongs its lease; False if the lease was lost, and nothing may be written."""
    moved = await conn.fetchval(_queries.advance_cursor, name, lease_token, position, settled_at, lease_s)
    return moved is not None


async def release_cursor(conn: Connection, name: str, lease_token: UUID) -> None:
    """Gives the cursor back."""
    await conn.execute(_queries.release_cursor, name, lease_token)
