"""Base backups of an embedded server, made and checked by PostgreSQL's own tools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg

from db.postgres import PostgresError, PostgresServer

_START = re.compile(r"START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)")


@dataclass(frozen=True, slots=True)
class BaseBackup:
    """A copy of a whole cluster. By the server's clock it can be recovered to any moment from `ended_at` on."""

    folder: Path
    started_at: datetime
    ended_at: datetime
    first_wal: str
    """The name of the WAL file where its recovery begins."""


async def take(server: PostgresServer, folder: Path, *, timeout_s: float = 3600) -> BaseBackup:
    """Copies the running `server` into `folder`, which must not be there, and verifies every byte by its checksums.

    The copy holds the WAL that it needs to be consistent. Raises PostgresError.
    """
    started_at = await _now(server)
    server.run(
        "pg_basebackup",
        *("-D", str(folder), "-h", str(server.run_dir), "-U", "postgres", "--checkpoint=fast", "--wal-method=stream"),
        *("--manifest-checksums=SHA256", "--no-password", "--label=groundline"),
        timeout_s=timeout_s,
    )
    ended_at = await _now(server)
    verify(server, folder, timeout_s=timeout_s)
    return BaseBackup(folder, started_at, ended_at, _first_wal(folder))


def verify(server: PostgresServer, folder: Path, *, timeout_s: float = 3600) -> None:
    """Reads the whole backup, and its WAL. Raises PostgresError if a byte is not as it was when it was made."""
    server.run("pg_verifybackup", "--quiet", str(folder), timeout_s=timeout_s)


def _first_wal(folder: Path) -> str:
    match = _START.search((folder / "backup_label").read_text())
    if match is None:
        raise PostgresError(f"{folder / 'backup_label'} doesn't say where its WAL begins")
    return match[1]


async def _now(server: PostgresServer) -> datetime:
    connection = await asyncpg.connect(server.url(), timeout=10)
    try:
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return now
    finally:
        await connection.close(timeout=10)
