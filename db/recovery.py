"""A base backup brought to a moment, as a cluster of its own, and looked at before anybody relies on it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg

from db.bootstrap import DATABASE
from db.migrate import read_migrations
from db.postgres import PostgresError, PostgresServer
from db.wal_archive import WalArchive

_TABLES = """
SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
WHERE schemaname IN ('conversation', 'ticketing', 'knowledge', 'messaging') ORDER BY 1
"""
_OBJECTS = """
SELECT object_key FROM knowledge.documents UNION SELECT object_key FROM ticketing.attachments
"""
_NEVER_REACHED = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a recovered cluster holds."""

    last_commit_at: datetime | None
    """None if nothing had to be replayed after the base backup."""
    migrations: int
    rows: dict[str, int] = field(default_factory=dict)
    """Of every table of ours, each read in full."""
    objects: frozenset[str] = frozenset()
    """The keys that its rows name."""


async def recover(
    base: Path,
    copy: PostgresServer,
    archive: WalArchive,
    *,
    at: datetime | None,
    timeline: str = "latest",
    unarchived: Path | None = None,
    timeout_s: float = 3600,
) -> Findings:
    """Makes `copy` what the server was at `at` (None: at the end of what is archived), checks it and stops it.

    All that was committed until then is in it, and nothing later. Raises PostgresError, and leaves no copy, if the WAL
    doesn't reach to `at` or if what came out can't be read or isn't of this code's schema.
    """
    copy.copy_in(base, timeout_s)
    # Logs and locks of the original.
    for name in ("server.log", "postmaster.pid", "postmaster.opts"):
        (copy.data_dir / name).unlink(missing_ok=True)
    copy.add_settings(archive.recovery_settings(at, timeline=timeline, unarchived=unarchived))
    try:
        (copy.data_dir / "recovery.signal").touch()
        copy.start(timeout_s)
        await _await_promotion(copy, timeout_s)
        findings = await examine(copy)
    except PostgresError as error:
        log = copy.data_dir / "server.log"
        said = log.read_text(errors="replace") if log.exists() else ""
        copy.destroy()
        if _NEVER_REACHED in said:
            raise PostgresError(
                "the WAL that there is ends before that moment: `--to latest` takes all of it"
            ) from error
        raise
    except BaseException:
        copy.destroy()
        raise
    copy.stop()
    archive.leave(copy)
    return findings


async def _await_promotion(server: PostgresServer, timeout_s: float) -> None:
    """It takes readers while it replays: returns when that has ended and it is a server in its own right."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection = await asyncpg.connect(server.url(), timeout=10)
            try:
                if not await connection.fetchval("SELECT pg_is_in_recovery()"):
                    return
            finally:
                await connection.close(timeout=10)
        except (asyncpg.PostgresError, OSError, TimeoutError) as error:
            if server.pid is None:
                raise PostgresError(f"the recovery ended: {error}") from error
        if time.monotonic() > deadline:
            raise PostgresError(f"the recovery took longer than {timeout_s:.0f} s")
        await asyncio.sleep(0.05)


async def examine(server: PostgresServer) -> Findings:
    """Reads every row of every table of ours. Raises PostgresError if that fails or the schema is not as we know it."""
    try:
        connection = await asyncpg.connect(server.url(database=DATABASE), timeout=10)
        try:
            last = await connection.fetchval("SELECT pg_last_xact_replay_timestamp()")
            applied = await connection.fetch("SELECT version, sha256 FROM public.schema_migrations ORDER BY version")
            known = {each.version: each.sha256 for each in read_migrations()}
            for row in applied:
                if known.get(row["version"]) != row["sha256"]:
                    raise PostgresError(f"migration {row['version']} in it is not the one that this code knows")
            names = [row["name"] for row in await connection.fetch(_TABLES)]
            rows = {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for name in names}
            objects = frozenset(row["object_key"] for row in await connection.fetch(_OBJECTS))
        finally:
            await connection.close(timeout=10)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise PostgresError(f"the recovered database can't be read: {error}") from error
    return Findings(last, len(applied), rows, objects)
