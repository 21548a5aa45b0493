"""The experiments: which faults, under which load, and what they come to."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from .checker import Finding, Kind, Verdict, check
from .evidence import Evidence, gather, quiet
from .ledger import Ledger
from .load import Load
from .stage import Stage
from .strikes import Strike
from .wire import Wire

# After the load, until every command is done: a lease or two, and a few tries.
QUIET_TIMEOUT_S = 90.0
# The desk is also to work between two faults.
BREATH_S = (0.1, 0.6)
ROADS = ("embedded", "amqp")
# For what no road has a part in: both bring the same commands to the same handlers.
EMBEDDED = ROADS[:1]


@dataclass(frozen=True, slots=True)
class Experiment:
    """Every strike `rounds` times, in random order, while a load runs."""

    name: str
    strikes: tuple[Strike, ...]
    documents: bool = False


@dataclass(slots=True)
class Result:
    """What an experiment came to; a line of the report."""

    name: str
    seed: int
    rounds: int
    fired: dict[str, int] = field(default_factory=dict)
    back_s: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    sessions: int = 0
    retries: int = 0
    given_up: int = 0
    quiet_s: float | None = None
    seconds: float = 0.0
    patience_s: float = QUIET_TIMEOUT_S
    """After the load, how long commands may take to come to their end."""
    measured: dict[str, str] = field(default_factory=dict)
    """What else was seen, with its unit."""

    @property
    def faults(self) -> int:
        return sum(self.fired.values())

    def add(self, strike: str, back_s: float = 0.0) -> None:
        """A fault happened, and all was healthy again after so many seconds."""
        self.fired[strike] = self.fired.get(strike, 0) + 1
        self.back_s.append(back_s)

    def expect(self, holds: bool, kind: Kind, about: str, what: str) -> None:
        """A promise that the ledger doesn't know of; `what` is found where it doesn't hold."""
        if not holds:
            self.verdict.findings.append(Finding(kind, about, what))

    def judged(self, verdict: Verdict) -> None:
        """What the checker says, beside what was found before."""
        verdict.operations += self.verdict.operations
        verdict.findings[:0] = self.verdict.findings
        verdict.waits_s += self.verdict.waits_s
        self.verdict = verdict

    @property
    def rng(self) -> random.Random:
        """The experiment's own, from its start."""
        return random.Random(self.seed)


Body = Callable[[Stage, Result], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment as the registry has it. `number` is its place in the list of faults; `body` fills a result in.

    `body` raises NeverFired, and TimeoutError if a process does not come back.
    """

    number: str
    name: str
    body: Body
    roads: tuple[str, ...] = ROADS
    most_rounds: int = 1
    """More rounds show nothing more."""

    async def run(self, stage: Stage, *, seed: int, rounds: int = 1) -> Result:
        """What it came to."""
        began = time.monotonic()
        result = Result(self.name, seed_of(self.name, seed), min(rounds, self.most_rounds))
        await self.body(stage, result)
        result.seconds = time.monotonic() - began
        return result


def struck(number: str, experiment: Experiment, roads: tuple[str, ...] = ROADS) -> Trial:
    """The trial of an experiment that is strikes under load."""

    async def body(stage: Stage, result: Result) -> None:
        rng = result.rng
        strikes = [each for each in experiment.strikes for _ in range(result.rounds)]
        rng.shuffle(strikes)
        async with under_load(stage, result, documents=experiment.documents):
            for each in strikes:
                await asyncio.sleep(rng.uniform(*BREATH_S))
                result.add(each.name, await each.strike(stage, rng))

    return Trial(number, experiment.name, body, roads, most_rounds=100)


def seed_of(name: str, seed: int) -> int:
    """Each experiment says other things, and the same ones each time."""
    return seed * 100_000 + zlib.crc32(name.encode()) % 100_000


@asynccontextmanager
async def under_load(
    stage: Stage,
    result: Result,
    *,
    customers: int = 4,
    agents: bool = True,
    repeatable: bool = True,
    documents: bool = False,
    most_sessions: int | None = None,
    through: Wire | None = None,
    salt: int = 0,
) -> AsyncIterator[Load]:
    """Runs a load beside the block, and fills `result` in once that has ended and all is quiet.

    `through` is where the customers and agents call, the edge by default. A second load of an experiment needs a `salt`
    of its own, to say other things.
    """
    ledger = stage_ledger(stage, result)
    load = Load(
        stage.live,
        ledger,
        result.seed + salt,
        customers=customers,
        agents=agents,
        repeatable=repeatable,
        documents=documents,
        most_sessions=most_sessions,
        through=through.target if through else None,
    )
    task = asyncio.create_task(load.run())
    try:
        yield load
        if most_sessions is None:
            load.stop()
        await task
    finally:
        load.stop()
        stage.disarm()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await settle(stage, result, ledger)


def stage_ledger(stage: Stage, result: Result) -> Ledger:
    """A new ledger for an experiment."""
    return Ledger(stage.folder / f"ledger-{result.seed}-{time.time_ns()}.jsonl")


async def settle(stage: Stage, result: Result, ledger: Ledger) -> None:
    """Waits until all is quiet, and has every promise of the ledger checked."""
    verdict, result.quiet_s = await judge(stage, ledger, result.patience_s)
    result.judged(verdict)
    result.sessions += len(ledger.sessions)
    result.retries += ledger.retries
    result.given_up += ledger.given_up


async def judge(stage: Stage, ledger: Ledger, quiet_timeout_s: float = QUIET_TIMEOUT_S) -> tuple[Verdict, float | None]:
    """Waits until all is quiet and checks every promise; also the seconds that the wait took, None if it was too
    long."""
    conn = await asyncpg.connect(stage.stack.database_url())
    try:
        took = await quiet(conn, quiet_timeout_s)
        documents = sorted({each.ref for each in ledger.entries if each.kind == "document"})
        evidence: Evidence = await gather(conn, ledger.sessions, documents)
    finally:
        await conn.close()
    verdict = check(ledger, evidence)
    verdict.findings += [Finding("unexplained", "background", line) for line in await asyncio.to_thread(stage.gave_up)]
    return verdict, took
