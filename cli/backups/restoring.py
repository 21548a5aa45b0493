"""`groundline restore`: the database as it was at a moment, in place of the present one or beside it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.backups.files import add_missing, size_bytes
from cli.backups.taking import objects_folder
from cli.stack import Stack, StackError
from cli.stack.checks import check_disk
from cli.stack.layout import Home
from cli.stack.shelf import Backup, Shelf, shelves_root
from db.postgres import PostgresError, PostgresServer
from db.recovery import Findings, recover
from db.wal_archive import WalArchive, close_segment


@dataclass(frozen=True, slots=True)
class Restored:
    """What stands now. `kept` is where the data that was there before is, if there was any."""

    home: Path
    backup: Backup
    findings: Findings
    kept: Path | None
    lost_objects: list[str]
    """Keys that rows name and that are neither in the store nor in a backup."""


def restore(
    stack: Stack,
    at: datetime | None,
    *,
    into: Path | None = None,
    system: int | None = None,
    timeline: str = "latest",
    say: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Brings the data back to what was committed at `at` (None: to the last that there is).

    With `into`, a home of its own is made there and the present one is not touched. Else the stack is stopped once the
    restored database has been checked, the present one is kept aside under another name, and the stack is started
    again if it ran. Raises StackError; then the present data is as it was.
    """
    server = stack.database.server
    if server is None:
        raise StackError("this PostgreSQL is not Groundline's own: restore it with its own means (docs/runbooks)")
    root = shelves_root(stack.home, server)
    shelf = Shelf(root, system) if system else stack.database.shelf if server.is_made else Shelf.only_one(root)
    backup = shelf.newest_before(at)
    serves = stack.postgres_is_ready
    try:
        if serves:
            say("archiving what was written until now")
            now = asyncio.run(close_segment(server.url()))
            if at is not None and at > now:
                raise StackError(f"that moment is still to come: the database's clock says {now.isoformat(sep=' ')}")
        # A stopped server's last words are in its own folder yet.
        unarchived = server.data_dir / "pg_wal" if server.is_made and not serves else None
        home = _made_home(into) if into else stack.home
        staging = server.data_dir.with_name(f"{server.data_dir.name}.restoring")
        copy = (
            PostgresServer(home.data)
            if into
            else PostgresServer(staging, run_dir=server.run_dir.with_name(f"{server.run_dir.name}-restoring"))
        )
        check_disk([copy.data_dir.parent], needed_bytes=size_bytes(backup.data))
        if not into and staging.exists():
            # Of an attempt that was cut off; nothing ever ran on it.
            shutil.rmtree(staging)
        say(f"recovering from the backup of {backup.ended_at.astimezone(UTC).isoformat(sep=' ', timespec='seconds')}")
        findings = asyncio.run(
            recover(backup.data, copy, shelf.archive, at=at, timeline=timeline, unarchived=unarchived)
        )
        kept = None if into else _swap(stack, server, copy, shelf.archive, say)
    except (PostgresError, OSError) as error:
        raise StackError(f"nothing was restored: {error}") from error
    store = home.objects if into else objects_folder(stack)
    _bring_files(shelf, backup, home, store, present=objects_folder(stack) if into else None)
    lost = sorted(key for key in findings.objects if not (store / key).exists())
    return Restored(home.path, backup, findings, kept, lost)


def _made_home(into: Path) -> Home:
    home = Home(into.absolute())
    if home.path.exists() and any(home.path.iterdir()):
        raise StackError(f"{home.path} is not empty")
    home.path.mkdir(parents=True, exist_ok=True)
    home.path.chmod(0o711)
    return home


def _swap(
    stack: Stack, server: PostgresServer, copy: PostgresServer, archive: WalArchive, say: Callable[[str], None]
) -> Path | None:
    """Puts the checked copy in the place of the server's data. Returns where that is now."""
    was_running = stack.is_running
    if was_running:
        say("stopping the stack")
        stack.down()
    kept = None
    if server.is_made:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        kept = server.data_dir.rename(server.data_dir.with_name(f"{server.data_dir.name}.before-restore-{stamp}"))
    copy.data_dir.rename(server.data_dir)
    shutil.rmtree(copy.run_dir, ignore_errors=True)
    # The recovered server writes on a timeline of its own, into the same archive.
    archive.keep_history(server)
    archive.begin(server)
    if was_running:
        say("starting the stack")
        stack.up()
    return kept


def _bring_files(shelf: Shelf, backup: Backup, home: Home, store: Path, *, present: Path | None) -> None:
    for folder, mine in ((home.keys, "keys"), (home.policies, "policies")):
        folder.mkdir(mode=0o700, exist_ok=True)
        add_missing(backup.folder / mine, folder)
    store.mkdir(mode=0o700, exist_ok=True, parents=True)
    # Rows written after the backup name objects that a later backup has, or that never left.
    for source in (backup, *(each for each in shelf.backups() if each.ended_at > backup.ended_at)):
        add_missing(source.objects_folder, store)
    if present is not None and present.is_dir():
        add_missing(present, store)
