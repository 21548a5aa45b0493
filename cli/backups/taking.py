"""`groundline backup`: a base backup of the running server, checked, rehearsed and put on the shelf."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cli.backups.files import copy_folder, size_bytes
from cli.stack import Stack, StackError
from cli.stack.checks import check_disk
from cli.stack.shelf import Backup, Shelf
from db import base_backup
from db.placement import keep_private
from db.postgres import PostgresError, PostgresServer
from db.recovery import Findings, recover
from db.wal_archive import close_segment


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was made, and the older ones that were deleted for it."""

    backup: Backup
    deleted: list[str]


def take_backup(
    stack: Stack, *, keep: int = 7, rehearse: bool = True, say: Callable[[str], None] = lambda _: None
) -> Taken:
    """Backs up the running stack while it serves. From the first one on its WAL is archived.

    With `rehearse` the backup is recovered into a server of its own, which must answer. Raises StackError, and then no
    backup was added and none deleted.
    """
    server, shelf = stack.database.server, stack.database.shelf
    if server is None or not stack.postgres_is_ready:
        raise StackError("PostgreSQL is not running: `make up` first; a backup is made while it serves")
    id = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    draft = shelf.bases / f"{id}.part"
    try:
        shelf.make_folders()
        check_disk([shelf.bases], needed_bytes=(2 if rehearse else 1) * size_bytes(server.data_dir))
        shelf.archive.begin(server)
        draft.mkdir(mode=0o711)
        asyncio.run(_take(stack, server, shelf, draft, id, rehearse, say))
        backup = Backup.read(draft.rename(shelf.bases / id))
    except (PostgresError, OSError) as error:
        raise StackError(f"no backup was made: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Taken(backup, shelf.prune(server, keep))


async def _take(
    stack: Stack, server: PostgresServer, shelf: Shelf, draft: Path, id: str, rehearse: bool, say: Callable[[str], None]
) -> None:
    earlier = shelf.backups()
    keep_private(draft / "pgdata", server.account)
    say("copying and verifying the database")
    base = await base_backup.take(server, draft / "pgdata")
    # After the database: an object is stored before the row that names it, so that each row finds its object.
    say("copying objects, keys and policies")
    objects = copy_folder(
        objects_folder(stack), draft / "objects", earlier=earlier[-1].objects_folder if earlier else None
    )
    copy_folder(stack.home.keys, draft / "keys")
    copy_folder(stack.home.policies, draft / "policies")
    await close_segment(server.url())
    findings = None
    if rehearse:
        say("rehearsing: a server of its own is started from it")
        findings = await _rehearse(shelf, draft, base.ended_at)
        lacking = [key for key in findings.objects if not (draft / "objects" / key).exists()]
        if lacking:
            raise StackError(f"no backup was made: {len(lacking)} objects are missing from the store, as {lacking[0]}")
    Backup(
        id=id,
        folder=draft,
        started_at=base.started_at,
        ended_at=base.ended_at,
        first_wal=base.first_wal,
        migrations=findings.migrations if findings else 0,
        rows=sum(findings.rows.values()) if findings else 0,
        objects=objects,
        bytes=size_bytes(draft),
        rehearsed=rehearse,
    ).write()


async def _rehearse(shelf: Shelf, draft: Path, at: datetime) -> Findings:
    # Not below the draft: the server's account makes folders there, and sockets need a short path.
    place = shelf.bases / f"{draft.name.removesuffix('.part')}-rehearsal.part"
    place.mkdir(mode=0o711)
    copy = PostgresServer(place / "pgdata", run_dir=place / "run")
    try:
        # Not further: what was written while objects were copied may name later ones.
        return await recover(draft / "pgdata", copy, shelf.archive, at=at, timeline="current")
    finally:
        copy.destroy()
        shutil.rmtree(place, ignore_errors=True)


def objects_folder(stack: Stack) -> Path:
    """The folder of the stack's objects. Raises StackError if they are in a bucket, which has backups of its own."""
    parts = urlsplit(stack.env_for("worker-knowledge")["GROUNDLINE_OBJECT_STORE_URL"])
    if parts.scheme != "file":
        raise StackError(f"objects are in {parts.scheme}://: keep versions of them there (docs/runbooks/backups.md)")
    return Path(unquote(parts.path)).absolute()
