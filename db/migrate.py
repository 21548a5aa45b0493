"""Applies the migrations: plain SQL files, forward only, each in one transaction under a lock timeout."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

MIGRATIONS = Path(__file__).parent / "migrations"
FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
# Any number will do, as long as every migrator takes the same.
ADVISORY_LOCK = 7_163_400_251
# A migration that must wait for a lock makes all later callers of that table wait behind it: better to give up soon.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"

CREATE_LEDGER = """
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


class MigrationError(Exception):
    """A migration can't be applied; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `sha256` is of its bytes, so that a change of an applied file is noticed."""

    version: int
    name: str
    sql: str
    sha256: str


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All migrations in order. Raises MigrationError on a gap, a double number or a misnamed file."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named NNNN_what_it_does.sql")
        raw = path.read_bytes()
        found.append(Migration(int(match[1]), path.stem, raw.decode(), hashlib.sha256(raw).hexdigest()))
    if [each.version for each in found] != list(range(1, len(found) + 1)):
        raise MigrationError("migrations must be numbered 0001, 0002, … without a gap")
    return found


async def migrate(database_url: str, *, folder: Path = MIGRATIONS) -> list[str]:
    """Brings the database to the newest schema and returns the names of what was applied, in order.

    Safe to run from several processes at once: one works, the others wait and find nothing to do. Raises
    MigrationError if an applied file has changed, if the database is newer than this code, or if a migration fails
    (which leaves the database as it was before that migration).
    """
    migrations = read_migrations(folder)
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK, timeout=120)
        await connection.execute("SET client_min_messages = warning")
        await connection.execute(CREATE_LEDGER)
        rows = await connection.fetch("SELECT version, name, sha256 FROM public.schema_migrations ORDER BY version")
        if len(rows) > len(migrations):
            raise MigrationError(f"the database is at migration {len(rows)}, this code knows {len(migrations)}")
        for row, known in zip(rows, migrations, strict=False):
            if row["sha256"] != known.sha256:
                raise MigrationError(f"{known.name} was changed after it was applied; write a new migration instead")
        return [await _apply(connection, each) for each in migrations[len(rows) :]]
    finally:
        await connection.close(timeout=10)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> str:
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO public.schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.sha256,
            )
    except asyncpg.PostgresError as exc:
        raise MigrationError(f"{migration.name}: {exc}") from exc
    return migration.name
