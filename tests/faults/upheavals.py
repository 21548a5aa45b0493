"""Experiments 21 and 23 to 25: the whole is changed while people use it. Each on a stage of its own, for none would
leave another as it was."""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import datetime
from pathlib import Path

from cli.backups import restore, take_backup
from cli.stack import rolling
from db.migrate import MIGRATIONS, migrate, read_migrations

from .experiments import EMBEDDED, Result, Trial, settle, stage_ledger, under_load
from .stage import UP_TIMEOUT_S, Stage, another_stage

# A cluster, its log and the samples take about half of it.
_DISK_MIB = 320
_FULL_FOR_S = 15.0
_NEXT_RELEASE = """
-- Additive, as every migration is: a column with a default, an index, a table.
ALTER TABLE conversation.messages ADD COLUMN next_release text NOT NULL DEFAULT 'no';
CREATE TABLE conversation.next_release (session_id uuid PRIMARY KEY);
"""
_UNDO = """
ALTER TABLE conversation.messages DROP COLUMN next_release;
DROP TABLE conversation.next_release;
DELETE FROM public.schema_migrations WHERE version > $1;
"""


async def disk_full(stage: Stage, result: Result) -> None:
    """21: PostgreSQL's file system is full for a while. What was acknowledged is durable, and once there is room all
    goes on without anybody's help."""
    async with another_stage(stage.road, disk_mib=_DISK_MIB) as small, under_load(small, result) as load:
        for _ in range(result.rounds):
            await asyncio.sleep(3)
            ballast = await asyncio.to_thread(_fill, small)
            before = len(load.ledger.entries)
            await asyncio.sleep(_FULL_FOR_S)
            result.measured["acknowledged while full"] = str(len(load.ledger.entries) - before)
            ballast.unlink()
            began = time.monotonic()
            await asyncio.to_thread(small.stack.wait_healthy, None, 120)
            result.add("disk full", time.monotonic() - began)


def _fill(stage: Stage) -> Path:
    assert stage.disk is not None
    ballast = stage.disk / "ballast"
    with ballast.open("wb") as file:
        block = bytes(1 << 16)
        try:
            while True:
                file.write(block)
                file.flush()
        except OSError:
            pass
    return ballast


async def rolling_restart(stage: Stage, result: Result) -> None:
    """23: two of each service, restarted one after the other under load. No client has to call twice."""
    async with another_stage(stage.road, replicas=2) as pair:
        async with under_load(pair, result) as load:
            for _ in range(result.rounds):
                began = time.monotonic()
                restarted = await asyncio.to_thread(
                    rolling.restart, pair.stack, [], rolling=True, step_timeout_s=UP_TIMEOUT_S
                )
                for name in restarted:
                    result.add(f"restart of {name}")
                result.back_s = [time.monotonic() - began]
        retries, given_up = load.ledger.retries, load.ledger.given_up
        told = "; ".join(f"{words} ({count})" for words, count in load.ledger.passing.most_common(5))
        result.expect(not retries and not given_up, "unexplained", "clients", f"{retries} calls were repeated: {told}")


async def migrated(stage: Stage, result: Result) -> None:
    """24: the next release's migration is applied under load, while this release's processes run; then the gateway is
    replaced by one that writes what is new, beside neighbours that don't know it."""
    known = len(read_migrations())
    folder = stage.folder / "next-release"
    shutil.copytree(MIGRATIONS, folder, dirs_exist_ok=True)
    (folder / f"{known + 1:04}_next_release.sql").write_text(_NEXT_RELEASE)
    try:
        async with under_load(stage, result):
            await asyncio.sleep(2)
            began = time.monotonic()
            await migrate(stage.stack.database_url(), folder=folder)
            result.add("migrated under load", time.monotonic() - began)
            await asyncio.sleep(2)
            async with stage.without("writes_new_column", "gateway"):
                result.add("next release beside this one")
                await asyncio.sleep(4)
            result.add("this release again, on the next schema")
            await asyncio.sleep(1)
        async with stage.live.owner() as conn:
            new = await conn.fetchval("select count(*) from conversation.messages where next_release = 'yes'")
        result.expect(new > 0, "unexplained", "gateway", "the next release wrote nothing")
        result.measured["messages of the next release"] = str(new)
    finally:
        async with stage.live.owner() as conn:
            for statement in _UNDO.strip().split("\n"):
                await conn.execute(statement.replace("$1", str(known)))
        await stage.restart("gateway")


async def restored(stage: Stage, result: Result) -> None:
    """25: backed up under load, then brought back to a moment at which people were talking. All that was acknowledged
    before that moment is there, and comes to its end."""
    async with another_stage(stage.road) as backed_up:
        before = stage_ledger(backed_up, result)
        unjudged = Result(result.name, result.seed, 1, patience_s=20)
        async with under_load(backed_up, unjudged) as load:
            await asyncio.sleep(2)
            await asyncio.to_thread(take_backup, backed_up.stack)
            await asyncio.sleep(4)
            async with backed_up.live.owner() as conn:
                moment: datetime = await conn.fetchval("select clock_timestamp()")
            await asyncio.sleep(3)
        for each in load.ledger.entries:
            if each.at < moment.timestamp():
                before.acknowledged(each)
        before.sessions = sorted({each.session_id for each in before.entries if each.session_id})
        began = time.monotonic()
        await asyncio.to_thread(restore, backed_up.stack, moment)
        await asyncio.to_thread(backed_up.stack.wait_healthy)
        result.add("restored to a moment", time.monotonic() - began)
        later = len(load.ledger.entries) - len(before.entries)
        result.measured["acknowledged later, and gone"] = str(later)
        result.expect(later > 0, "unexplained", "load", "nothing was written after the moment")
        await settle(backed_up, result, before)


TRIALS = (
    Trial("21", "PostgreSQL's disk full", disk_full, EMBEDDED),
    Trial("23", "rolling restart of every service", rolling_restart),
    Trial("24", "migration under load, the next release beside this one", migrated, EMBEDDED),
    Trial("25", "restored to a point in time", restored, EMBEDDED),
)
