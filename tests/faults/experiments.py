"""The experiments: which faults, under which load, and what they come to."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from .checker import Verdict, check
from .evidence import Evidence, gather, quiet
from .ledger import Ledger
from .load import Load
from .stage import Stage
from .strikes import At, Kill, KillBackend, Strike

# After the load, until every command is done: a lease or two, and a few tries.
QUIET_TIMEOUT_S = 90.0
# The desk is also to work between two faults.
BREATH_S = (0.1, 0.6)


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

    @property
    def faults(self) -> int:
        return sum(self.fired.values())

    def add(self, strike: str, back_s: float) -> None:
        """A fault happened, and all was healthy again after so many seconds."""
        self.fired[strike] = self.fired.get(strike, 0) + 1
        self.back_s.append(back_s)


GATEWAY = Experiment(
    "gateway killed before its commit, after it, and after the reply",
    (
        At("gateway.message.before_commit", "gateway"),
        At("gateway.message.committed", "gateway"),
        At("gateway.message.replied", "gateway"),
        Kill("gateway"),
    ),
)
ORCHESTRATOR = Experiment(
    "orchestrator killed in mid-turn, before its commit and after it",
    (
        At("orchestrator.session.leased", "orchestrator"),
        At("orchestrator.turn.retrieved", "orchestrator"),
        At("orchestrator.turn.drafted", "orchestrator"),
        At("orchestrator.turn.before_commit", "orchestrator"),
        At("orchestrator.turn.committed", "orchestrator"),
        At("orchestrator.turn.retrieved", "orchestrator", "raise"),
        Kill("orchestrator"),
    ),
)
TRANSITIONS = Experiment(
    "orchestrator killed while people act: comments, tickets, replies, resolutions",
    (
        At("orchestrator.comments.before_commit", "orchestrator"),
        At("orchestrator.comments.committed", "orchestrator"),
        At("orchestrator.ticket.before_commit", "orchestrator"),
        At("orchestrator.ticket.committed", "orchestrator"),
        At("orchestrator.reply.before_commit", "orchestrator"),
        At("orchestrator.reply.committed", "orchestrator"),
        At("orchestrator.resolution.before_commit", "orchestrator"),
        At("orchestrator.resolution.committed", "orchestrator"),
    ),
)
RELAY = Experiment(
    "relay killed after its claim, and after the handler before the mark",
    (
        At("relay.command.claimed", "worker-delivery"),
        At("relay.command.handled", "worker-delivery"),
        At("worker.ticket.made", "worker-delivery"),
        Kill("worker-delivery"),
    ),
)
TICKETING = Experiment(
    "ticketing killed before its commits and after them",
    (
        At("ticketing.ticket.before_commit", "ticketing"),
        At("ticketing.ticket.committed", "ticketing"),
        At("ticketing.comment.before_commit", "ticketing"),
        At("ticketing.comment.committed", "ticketing"),
        At("ticketing.update.before_commit", "ticketing"),
        At("ticketing.update.committed", "ticketing"),
    ),
)
KNOWLEDGE = Experiment(
    "knowledge worker and retrieval killed around their commits",
    (
        At("worker.document.before_commit", "worker-knowledge"),
        At("worker.document.committed", "worker-knowledge"),
        At("worker.case.before_commit", "worker-knowledge"),
        At("worker.case.committed", "worker-knowledge"),
        At("retrieval.case.before_commit", "retrieval"),
        At("retrieval.case.committed", "retrieval"),
        Kill("evaluator"),
    ),
    documents=True,
)
POSTGRES = Experiment("PostgreSQL killed, server and single backends", (Kill("postgres"), KillBackend()))
# What `make test` runs: each process killed at the places that matter most.
SUBSET = (
    GATEWAY,
    Experiment(
        "orchestrator killed in mid-turn",
        (
            At("orchestrator.turn.retrieved", "orchestrator"),
            At("orchestrator.turn.before_commit", "orchestrator"),
            At("orchestrator.turn.committed", "orchestrator"),
        ),
    ),
    Experiment(
        "relay killed with a command in its hands",
        (
            At("relay.command.claimed", "worker-delivery"),
            At("relay.command.handled", "worker-delivery"),
            At("worker.ticket.made", "worker-delivery"),
        ),
    ),
    Experiment(
        "ticketing killed after its commits",
        (At("ticketing.ticket.committed", "ticketing"), At("ticketing.comment.committed", "ticketing")),
    ),
    POSTGRES,
)
EXPERIMENTS = (GATEWAY, ORCHESTRATOR, TRANSITIONS, RELAY, TICKETING, KNOWLEDGE, POSTGRES)


async def run(stage: Stage, experiment: Experiment, *, seed: int, rounds: int = 1) -> Result:
    """Runs one experiment. Raises NeverFired, and TimeoutError if a process does not come back."""
    seed = seed * 100_000 + zlib.crc32(experiment.name.encode()) % 100_000
    rng = random.Random(seed)
    result = Result(experiment.name, seed, rounds)
    strikes = [each for each in experiment.strikes for _ in range(rounds)]
    rng.shuffle(strikes)
    async with under_load(stage, result, documents=experiment.documents):
        for each in strikes:
            await asyncio.sleep(rng.uniform(*BREATH_S))
            result.add(each.name, await each.strike(stage, rng))
    return result


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
    quiet_timeout_s: float = QUIET_TIMEOUT_S,
) -> AsyncIterator[Load]:
    """Runs a load beside the block, and fills `result` in once that has ended and all is quiet."""
    began = time.monotonic()
    ledger = Ledger(stage.folder / f"ledger-{result.seed}.jsonl")
    load = Load(
        stage.live,
        ledger,
        result.seed,
        customers=customers,
        agents=agents,
        repeatable=repeatable,
        documents=documents,
        most_sessions=most_sessions,
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
    result.verdict, result.quiet_s = await judge(stage, ledger, quiet_timeout_s)
    result.sessions, result.retries, result.given_up = len(ledger.sessions), ledger.retries, ledger.given_up
    result.seconds = time.monotonic() - began


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
    return check(ledger, evidence), took
