"""Backups through the real thing: a stack under load is backed up, goes on, and is brought back to a moment."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from cli.backups import restore, take_backup
from cli.stack import Stack, StackError
from cli.stack.layout import REPOSITORY, Home
from db.postgres import PostgresError
from db.wal_archive import WalArchive
from meshkit.testing import eventually

from ..stack import Live, whole_stack


@pytest.fixture(scope="module")
def desk() -> Iterator[Live]:
    """A stack that may be stopped and restored."""
    with whole_stack(samples=False) as live:
        yield live


class Load:
    """Customers who open sessions, and a ledger of what they were told."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.acknowledged: list[tuple[str, datetime]] = []
        self.asked: list[str] = []

    async def run(self) -> None:
        async with self._live.http() as http:
            while True:
                reply = await http.post("/v1/sessions", json={"channel": "web"})
                reply.raise_for_status()
                told = reply.json()["session"]["session_id"]
                self.acknowledged.append((told, datetime.now(UTC)))

    async def until(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.acknowledged) >= count

        await eventually(enough, timeout_s=30)


async def sessions(stack: Stack) -> dict[str, datetime]:
    conn = await asyncpg.connect(stack.database_url())
    try:
        rows = await conn.fetch("SELECT session_id, started_at FROM conversation.sessions")
        return {str(row["session_id"]): row["started_at"] for row in rows}
    finally:
        await conn.close()


def put_object(stack: Stack, key: str, text: str) -> Path:
    path = stack.home.objects / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def test_every_moment_after_a_backup_can_be_restored(desk: Live) -> None:
    stack, load = desk.stack, Load(desk)
    first = put_object(stack, "raw/first", "one")
    customers = asyncio.create_task(load.run())
    await load.until(5)
    taken = await asyncio.to_thread(take_backup, stack)
    assert taken.backup.rehearsed
    assert taken.backup.migrations > 0
    await load.until(len(load.acknowledged) + 20)
    async with desk.owner() as conn:
        moment = await conn.fetchval("SELECT clock_timestamp()")
    before = [told for told, at in load.acknowledged if at <= moment]
    second = put_object(stack, "raw/second", "two")
    await load.until(len(load.acknowledged) + 20)

    # Beside the present one, while customers go on.
    into = stack.home.path.with_name("beside")
    beside = await asyncio.to_thread(restore, stack, moment, into=into)
    copy = Stack(into, edge_port=0)
    try:
        copy.up()
        _holds(await sessions(copy), before, moment)
        assert Home(into).signing_key.read_bytes() == stack.home.signing_key.read_bytes()
        assert beside.findings.last_commit_at is not None
        assert beside.findings.last_commit_at <= moment
    finally:
        copy.destroy()

    # In its place. What was there is kept; what only the store holds stays, what it lost comes back.
    customers.cancel()
    await asyncio.gather(customers, return_exceptions=True)
    last = [told for told, _ in load.acknowledged]
    first.unlink()
    restored = await asyncio.to_thread(restore, stack, moment)
    stack.wait_healthy()
    _holds(await sessions(stack), before, moment)
    assert (first.read_text(), second.read_text()) == ("one", "two")
    assert restored.kept is not None
    assert (restored.kept / "PG_VERSION").exists()

    # The restored server has a history of its own, is archived in turn, and the one that it left can still be had.
    again = Load(desk)
    customers = asyncio.create_task(again.run())
    await again.until(5)
    customers.cancel()
    await asyncio.gather(customers, return_exceptions=True)
    stack.down()
    assert {told for told, _ in again.acknowledged} <= set(await _stopped(stack, into, None, "latest"))
    assert set(last) <= set(await _stopped(stack, into, None, "1"))


async def _stopped(stack: Stack, into: Path, at: datetime | None, timeline: str) -> list[str]:
    """The sessions of a copy made from the archive, and from what the stopped server hadn't archived yet."""
    await asyncio.to_thread(restore, stack, at, into=into, timeline=timeline)
    copy = Stack(into, edge_port=0)
    try:
        assert copy.database.server is not None
        copy.database.server.start()
        return list(await sessions(copy))
    finally:
        copy.destroy()


def _holds(found: dict[str, datetime], acknowledged: list[str], moment: datetime) -> None:
    assert acknowledged, "nothing was at stake"
    assert not set(acknowledged) - set(found), "what was acknowledged before is there"
    assert all(at <= moment for at in found.values()), "and nothing later"


async def test_a_byte_that_changed_is_noticed(desk: Live) -> None:
    desk.stack.up()
    taken = await asyncio.to_thread(take_backup, desk.stack, rehearse=False)
    server = desk.stack.database.server
    assert server is not None
    server.run("pg_verifybackup", "--quiet", str(taken.backup.data), timeout_s=60)
    victim = next(path for path in (taken.backup.data / "base").rglob("*") if path.is_file() and path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    with pytest.raises(PostgresError, match="pg_verifybackup"):
        server.run("pg_verifybackup", "--quiet", str(taken.backup.data), timeout_s=60)


async def test_old_backups_go_with_the_wal_that_only_they_need(desk: Live) -> None:
    desk.stack.up()
    shelf = desk.stack.database.shelf
    earlier = [each.id for each in shelf.backups()]
    assert earlier
    taken = await asyncio.to_thread(take_backup, desk.stack, keep=1, rehearse=False)
    assert taken.deleted == earlier
    assert [each.id for each in shelf.backups()] == [taken.backup.id]
    segments = sorted(path.name[8:24] for path in shelf.archive.folder.glob("?" * 24 + ".gz"))
    assert segments[0] == taken.backup.first_wal[8:]
    # What is left is enough.
    restored = await asyncio.to_thread(restore, desk.stack, None, into=desk.stack.home.path.with_name("enough"))
    assert restored.findings.rows["conversation.sessions"] == len(await sessions(desk.stack))


async def test_what_can_t_be_restored_is_said_and_changes_nothing(desk: Live) -> None:
    stack = desk.stack
    stack.up()
    backup = await asyncio.to_thread(take_backup, stack, rehearse=False)
    server, here = stack.database.server, stack.home.path
    assert server is not None
    identity = (server.data_dir / "PG_VERSION").stat().st_ino
    with pytest.raises(StackError, match="still to come"):
        await asyncio.to_thread(restore, stack, datetime(2999, 1, 1, tzinfo=UTC))
    with pytest.raises(StackError, match="nothing before that"):
        await asyncio.to_thread(restore, stack, datetime(2001, 1, 1, tzinfo=UTC))
    # A gap in the archive: the moment behind it is refused, and not taken for the end of all.
    async with desk.owner() as conn:
        await conn.execute("INSERT INTO messaging.inbox (consumer, key) VALUES ('test', 'gap')")
        moment = await conn.fetchval("SELECT clock_timestamp()")
    for segment in stack.database.shelf.archive.folder.glob("?" * 24 + ".gz"):
        if segment.name[8:24] > backup.backup.first_wal[8:]:
            segment.rename(segment.with_suffix(".hidden"))
    with pytest.raises(StackError, match="ends before that moment"):
        await asyncio.to_thread(restore, stack, moment, into=here.with_name("gap"))
    with pytest.raises(StackError, match="ends before that moment"):
        await asyncio.to_thread(restore, stack, moment)
    stack.wait_healthy(timeout_s=5)
    assert (server.data_dir / "PG_VERSION").stat().st_ino == identity


def test_a_segment_that_can_t_be_stored_is_not_taken_for_archived(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    segment, mark = tmp_path / "data" / "00000001", tmp_path / "data" / "groundline.archiving"
    segment.write_bytes(b"wal" * 1000)
    archive = WalArchive(tmp_path / "it's an archive")
    command = archive.settings()["archive_command"].replace("%f", segment.name).replace("%p", segment.name)

    def run() -> int:
        return subprocess.run(["sh", "-c", command], cwd=segment.parent, capture_output=True, check=False).returncode

    assert run() == 0, "nothing is archived before the first backup"
    mark.touch()
    assert run() != 0, "the folder is gone"
    archive.folder.mkdir()
    assert (run(), run()) == (0, 0), "and again, should the first not have reported back"
    segment.write_bytes(b"law" * 1000)
    assert run() != 0, "another server's segment of that name is not overwritten"


def test_the_command_says_what_there_is(desk: Live) -> None:
    def groundline(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli", *arguments]
        environment = desk.stack.client_environment()
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    desk.stack.up()
    made = json.loads(groundline("backup", "--json", "--no-rehearse").stdout)["backup"]
    listed = json.loads(groundline("backups", "--json").stdout)["backups"]
    assert listed[-1] == made
    wrong = groundline("restore", "--to", "yesterday")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
