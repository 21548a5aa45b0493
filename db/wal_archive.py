"""Where an embedded server's finished WAL goes, so that it can be replayed on a base backup up to any moment.

Nothing is archived before the first base backup, for WAL without one restores nothing. From then on a segment that
can't be stored stays in the server, which tries again: a full or missing folder is never taken for an archived one.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import asyncpg

from db.placement import PlacementError, keep_private
from db.postgres import PostgresError, PostgresServer

# A segment is closed after so long even if it isn't full: what a lost disk costs at most, beside the copying itself.
ARCHIVE_TIMEOUT_S = 60
# In the data folder, and thereby in its copies.
_MARK = "groundline.archiving"
_SUFFIX = ".gz"


class WalArchive:
    """The folder of one cluster's WAL: a compressed file per segment, and the histories of its timelines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settings(self) -> Mapping[str, str]:
        """What the server is started with. Holds neither double quotes nor semicolons (see cli.stack.supervisor)."""
        # Stored under another name, synced and renamed: a file with the right name is whole. One that is there already
        # is from an attempt that didn't report back, and equal; one that differs is another server's, and an error.
        stored, draft = f"{shlex.quote(str(self.folder))}/%f{_SUFFIX}", f"{shlex.quote(str(self.folder))}/.%f.part"
        here = shlex.quote(str(self.folder))
        equal = f"( test -e {stored} && gzip -dc {stored} | cmp -s - %p )"
        store = (
            f"( test ! -e {stored} && gzip -1 < %p > {draft} && sync {draft} && mv {draft} {stored} && sync {here} )"
        )
        return {
            "archive_mode": "on",
            "archive_command": f"test ! -e {_MARK} || {equal} || {store}",
            "archive_timeout": f"{ARCHIVE_TIMEOUT_S}s",
        }

    def begin(self, server: PostgresServer) -> None:
        """From now on `server` archives. Raises PostgresError if the folder can't be had."""
        try:
            keep_private(self.folder, server.account)
            (server.data_dir / _MARK).touch()
        except (PlacementError, OSError) as error:
            raise PostgresError(str(error)) from error

    @staticmethod
    def is_begun(server: PostgresServer) -> bool:
        """Whether `server` archives."""
        return (server.data_dir / _MARK).exists()

    @staticmethod
    def leave(server: PostgresServer) -> None:
        """The stopped `server`, a copy of another, does not go on with that one's archive."""
        (server.data_dir / _MARK).unlink(missing_ok=True)

    def recovery_settings(self, at: datetime | None, *, timeline: str, unarchived: Path | None) -> Mapping[str, str]:
        """What a copy of a base backup is started with to go on to `at`, or to the end. `unarchived` is the pg_wal of a
        stopped server, for the last that it wrote and didn't archive."""
        sources = [f"gzip -dc {shlex.quote(str(self.folder))}/%f{_SUFFIX} > %p"]
        if unarchived is not None:
            sources.append(f"cp {shlex.quote(str(unarchived))}/%f %p")
        settings = {
            "archive_mode": "off",
            "restore_command": " || ".join(sources),
            "recovery_target_timeline": timeline,
            "recovery_target_action": "promote",
            # The copy serves nobody but the one who checks it.
            "max_wal_size": "1GB",
        }
        if at is not None:
            settings["recovery_target_time"] = at.isoformat(sep=" ")
        return settings

    def keep_history(self, server: PostgresServer) -> None:
        """Stores the histories of the stopped server's timelines: a later recovery must know where they part."""
        for path in (server.data_dir / "pg_wal").glob("*.history"):
            stored = self.folder / f"{path.name}{_SUFFIX}"
            if stored.exists():
                continue
            draft = stored.with_name(f".{path.name}.part")
            with path.open("rb") as source, draft.open("wb") as target:
                subprocess.run(["gzip", "-c"], stdin=source, stdout=target, check=True, timeout=30)
            if server.account is not None:
                shutil.chown(draft, server.account.uid, server.account.gid)
            draft.rename(stored)

    def prune(self, server: PostgresServer, first_needed: str) -> None:
        """Deletes the segments before `first_needed`, the file where the oldest base backup begins."""
        server.run("pg_archivecleanup", "-x", _SUFFIX, str(self.folder), first_needed, timeout_s=120)

    def size_bytes(self) -> int:
        """What the archive takes."""
        total = 0
        for each in self.folder.glob("*"):
            # A segment may be renamed while we look.
            with contextlib.suppress(FileNotFoundError):
                total += each.stat().st_size
        return total


async def close_segment(url: str, timeout_s: float = 60) -> datetime:
    """Has the running server archive all that it has written so far; returns the server's time before.

    Leaves a commit behind that moment, so that a recovery to it finds where to stop. Raises PostgresError if the
    archive doesn't take it in time.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        # A transaction with a number commits with a record, even if it changed nothing.
        await connection.fetchval("SELECT pg_current_xact_id()")
        file = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
        deadline = time.monotonic() + timeout_s
        while not await connection.fetchval(
            "SELECT coalesce(last_archived_wal >= $1, false) FROM pg_stat_archiver", file
        ):
            if time.monotonic() > deadline:
                raise PostgresError(f"{file} was not archived within {timeout_s:.0f} s: see the log of postgres")
            await connection.fetchval("SELECT pg_sleep(0.05)")
        return now
    finally:
        await connection.close(timeout=10)
