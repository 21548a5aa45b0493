"""What is done to a running mesh: one fault each, and the way back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Protocol

import asyncpg

from meshkit.postgres import DATABASE_ERRORS

from .stage import Stage

# How long a load may take to come by at a place.
REACH_TIMEOUT_S = 120.0
# How long a killed process is left to be noticed as killed, and replaced.
BACK_TIMEOUT_S = 120.0


class NeverFired(Exception):
    """Nothing came by at the place: the experiment proves nothing."""


class Strike(Protocol):
    """One fault. `strike` returns the seconds from the fault until all is healthy again."""

    @property
    def name(self) -> str: ...

    async def strike(self, stage: Stage, rng: random.Random) -> float: ...


@dataclass(frozen=True, slots=True)
class At:
    """A process is killed (or fails, or sleeps) at a named place."""

    place: str
    process: str
    action: str = "kill"

    @property
    def name(self) -> str:
        return self.place

    async def strike(self, stage: Stage, rng: random.Random) -> float:
        before = stage.stack.pid(self.process)
        serial = stage.arm(self.place, self.action)
        try:
            firing = await stage.firing(serial, REACH_TIMEOUT_S)
        except TimeoutError:
            stage.disarm()
            raise NeverFired(self.place) from None
        if self.action == "kill":
            # Whichever process came by: the two workers share the relay.
            process = self.process if firing.pid == before else await _name_of(stage, firing.pid) or self.process
            await stage.replaced(process, firing.pid, BACK_TIMEOUT_S)
        return time.time() - firing.at


async def _name_of(stage: Stage, pid: int) -> str | None:
    return next((each.name for each in await asyncio.to_thread(stage.stack.status) if each.pid == pid), None)


@dataclass(frozen=True, slots=True)
class Kill:
    """A process is killed at any moment."""

    process: str

    @property
    def name(self) -> str:
        return f"kill -9 {self.process}"

    async def strike(self, stage: Stage, rng: random.Random) -> float:
        await asyncio.sleep(rng.uniform(0.1, 1.0))
        began = time.time()
        await stage.replaced(self.process, await stage.kill9(self.process), BACK_TIMEOUT_S)
        return time.time() - began


@dataclass(frozen=True, slots=True)
class KillBackend:
    """One of PostgreSQL's own processes is killed: the server ends all others and recovers from its log."""

    name: str = "kill -9 of a PostgreSQL backend"

    async def strike(self, stage: Stage, rng: random.Random) -> float:
        await asyncio.sleep(rng.uniform(0.1, 1.0))
        # Others' sessions are shown in full to the superuser alone.
        conn = await asyncpg.connect(stage.stack.database_url("postgres"))
        pids = [
            row[0]
            for row in await conn.fetch(
                "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
        ]
        began = time.time()
        os.kill(rng.choice(pids), signal.SIGKILL)
        conn.terminate()
        await _answers(stage)
        await asyncio.to_thread(stage.stack.wait_healthy)
        return time.time() - began


async def _answers(stage: Stage) -> None:
    """Waits until the database has recovered."""
    async with asyncio.timeout(BACK_TIMEOUT_S):
        while True:
            try:
                conn = await asyncpg.connect(stage.stack.database_url(), timeout=2)
                try:
                    await conn.fetchval("select 1")
                finally:
                    conn.terminate()
            except DATABASE_ERRORS:
                await asyncio.sleep(0.1)
                continue
            return
