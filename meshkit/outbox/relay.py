"""Claims due commands, sends each down the road under a lease, and writes down what became of it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from meshkit import failpoints, postgres
from meshkit.errors import DomainError
from meshkit.ids import made_at
from meshkit.outbox import rows
from meshkit.outbox.completing import Completing
from meshkit.outbox.handling import Dead, Done, Handler, Retry
from meshkit.outbox.road import Carried, Forwarded, Road, Undelivered
from meshkit.outbox.rows import Claimed
from meshkit.outbox.source import Source, Table
from meshkit.postgres import Database
from meshkit.telemetry import counter, gauge, get_logger, histogram

log = get_logger(__name__)

T = TypeVar("T")

# How long a claim may wait for company, when the last one found something.
GATHER_S = 0.005

ATTEMPTS = counter("groundline_outbox_attempts_total", "Attempts at commands, by outcome.", ["type", "outcome"])
SECONDS = histogram("groundline_outbox_attempt_seconds", "How long an attempt took.", ["type"])
DEPTH = gauge("groundline_outbox_depth", "Commands that are not done, by status.", ["type", "status"])
OLDEST = gauge("groundline_outbox_oldest_age_seconds", "Age of the oldest command that is due.", ["type"])


@dataclass(frozen=True, slots=True)
class Pace:
    """How the relay waits. Seconds throughout."""

    poll_interval_s: float = 1.0
    lease_s: float = 30.0
    backoff_first_s: float = 0.5
    backoff_cap_s: float = 300.0
    max_attempts: int = 10
    # For so long a command outlives peers that are away; then these attempts count, too.
    away_patience_s: float = 86_400.0
    measure_interval_s: float = 5.0
    drain_s: float = 10.0


class Relay:
    """Runs until cancelled. Holds at most twice the handlers' concurrency of commands, for as many as are handled may
    still have to be marked; and nothing that a crash would lose.

    `run` and `measure` are background loops; `wake` makes it look at once (for a NOTIFY, or after a commit near by).
    """

    def __init__(
        self,
        database: Database,
        road: Road,
        handlers: Iterable[Handler[Any]],
        *,
        pace: Pace | None = None,
        rng: random.Random | None = None,
        source: Source | None = None,
        places: Mapping[str, int] | None = None,
    ) -> None:
        """`source` is where commands come from, the table by default; `places` is how many of each type may be under
        way at once, the handlers' concurrency by default.
        """
        self._db = database
        self._source = source or Table(database)
        self._road = road
        self._pace = pace or Pace()
        self._rng = rng or random.Random()
        self._limits = dict(places or {handler.type: handler.concurrency for handler in handlers})
        self._completing = Completing(database)
        # Looking a label up costs as much as counting.
        self._seconds = {type: SECONDS.labels(type) for type in self._limits}
        self._attempts = {
            (type, outcome): ATTEMPTS.labels(type, outcome.__name__.lower())
            for type in self._limits
            for outcome in (Done, Retry, Dead, Forwarded, Undelivered)
        }
        self._running: dict[Claimed, asyncio.Task[None]] = {}
        # Those of them whose handlers have ended: they have no place any more, and are only still to be recorded.
        self._handled: set[Claimed] = set()
        self._taken: Counter[str] = Counter()
        self._recording: Counter[str] = Counter()
        # The types of which the last claim brought something.
        self._busy: set[str] = set()
        self._look = asyncio.Event()

    def wake(self, _payload: str = "") -> None:
        """Looks for due commands now."""
        self._look.set()

    async def run(self) -> None:
        """Claims and carries. On cancellation, attempts in flight may finish for `drain_s`, then are given back."""
        heartbeat = asyncio.create_task(self._keep_leases())
        try:
            while True:
                self._look.clear()
                claimed = await self._patiently(self._claim(), [])
                self._busy = {each.type for each in claimed}
                for each in claimed:
                    task = asyncio.create_task(self._attempt(each))
                    self._running[each] = task
                    self._taken[each.type] += 1
                    task.add_done_callback(lambda _, each=each: self._ended(each))  # type: ignore[misc]
                if not claimed:
                    await self._wait()
                else:
                    await self._gather()
        finally:
            # Attempts still need their leases while they drain.
            await self._drain()
            heartbeat.cancel()

    async def measure(self) -> None:
        """Publishes depth and oldest age, every `measure_interval_s` seconds."""
        while True:
            found = {each.type: each for each in await self._patiently(self._depths(), [])}
            for type in self._limits:
                depth = found.get(type, rows.Depth(type, 0, 0, 0.0))
                DEPTH.labels(type, "pending").set(depth.pending)
                DEPTH.labels(type, "dead").set(depth.dead)
                OLDEST.labels(type).set(depth.oldest_age_s)
            await asyncio.sleep(self._pace.measure_interval_s)

    async def _claim(self) -> list[Claimed]:
        free = {type: count for type in self._limits if (count := self._free(type)) > 0}
        if not free:
            return []
        claimed = await self._source.claim(free, lease_s=self._pace.lease_s)
        return sorted(claimed, key=lambda each: each.outbox_id)

    def _free(self, type: str) -> int:
        """Places without a handler. While commands are marked done, others are claimed and handled; but no more than as
        many again, for a database that marks slowly must not be asked for ever more."""
        limit = self._limits[type]
        return min(limit - self._taken[type], 2 * limit - self._taken[type] - self._recording[type])

    async def _depths(self) -> list[rows.Depth]:
        async with self._db.connection() as conn:
            return await rows.depths(conn)

    async def _patiently(self, query: Awaitable[T], otherwise: T) -> T:
        """A database that is away comes back: that is no reason to give up what runs."""
        try:
            return await query
        except Exception as exc:
            if not isinstance(exc, DomainError) and postgres.translate(exc) is None:
                raise
            log.warning("outbox_unreachable", error=type(exc).__name__)
            return otherwise

    async def _wait(self) -> None:
        # Jitter, so that relays that started together don't ask together for ever.
        interval = self._pace.poll_interval_s * self._rng.uniform(0.8, 1.2)
        try:
            async with asyncio.timeout(interval):
                await self._look.wait()
        except TimeoutError:
            pass

    async def _gather(self) -> None:
        """Lets commands and free places gather until a claim is worth its round trip: half of some type's places, or
        all that come within GATHER_S. One command at a time is claimed at once; of thousands, many at a time."""
        try:
            async with asyncio.timeout(GATHER_S):
                while self._running and not any(self._is_worth_it(type) for type in self._busy):
                    self._look.clear()
                    await self._look.wait()
        except TimeoutError:
            pass

    def _is_worth_it(self, type: str) -> bool:
        return self._source.at_most(type, self._free(type)) * 2 >= self._limits[type]

    async def _attempt(self, claimed: Claimed) -> None:
        recorded: Carried | None = None
        try:
            outcome = await self._carry(claimed)
            self._leave_place(claimed)
            if await self._settle(claimed, outcome):
                recorded = outcome
        finally:
            await self._source.ended(claimed, recorded)

    async def _carry(self, claimed: Claimed) -> Carried:
        if claimed.attempts > self._pace.max_attempts:
            # Earlier attempts ended without a report: they took their worker with them.
            return Dead(f"{claimed.attempts - 1} attempts, the last of which never reported back")
        if failpoints.ON:
            await failpoints.reach("relay.command.claimed")
        started = time.monotonic()
        outcome = await self._road.carry(claimed, max_attempts=self._pace.max_attempts)
        if failpoints.ON:
            await failpoints.reach("relay.command.handled")
        if not isinstance(outcome, (Forwarded, Undelivered)):
            self._seconds[claimed.type].observe(time.monotonic() - started)
        last = claimed.attempts >= self._pace.max_attempts
        if last and isinstance(outcome, Retry) and self._counts(claimed, outcome):
            return Dead(outcome.error)
        return outcome

    async def _settle(self, claimed: Claimed, outcome: Carried) -> bool:
        self._attempts[claimed.type, type(outcome)].inc()
        if isinstance(outcome, Forwarded):
            return True
        fields = {"type": claimed.type, "outbox_id": str(claimed.outbox_id), "attempt": claimed.attempts}
        try:
            if isinstance(outcome, Done):
                held = await self._completing.complete(claimed)
                if not held:
                    log.info("command_settled_elsewhere", **fields)
                return held
            async with self._db.connection() as conn:
                match outcome:
                    case Retry(error, after_s):
                        delay = self._backoff_s(claimed.attempts) if after_s is None else after_s
                        if not self._counts(claimed, outcome):
                            await rows.uncount(conn, claimed)
                        held = await self._source.retry(conn, claimed, error=error, after_s=delay)
                        log.info("command_retried", error=error, after_s=round(delay, 3), **fields)
                    case Undelivered(error, after_s):
                        held = await rows.retry(conn, claimed, error=error, after_s=after_s)
                        log.warning("command_undelivered", error=error, after_s=round(after_s, 3), **fields)
                    case Dead(error):
                        held = await rows.dead(conn, claimed, error=error)
                        log.error("command_dead", error=error, **fields)
        except Exception as exc:
            # The lease will end and the command is tried again: handlers are idempotent for this very case.
            log.warning("outcome_not_recorded", error=type(exc).__name__, **fields)
            return False
        if not held:
            log.info("command_settled_elsewhere", **fields)
        return held

    def _counts(self, claimed: Claimed, outcome: Retry) -> bool:
        return outcome.counts or time.time() - made_at(claimed.outbox_id) > self._pace.away_patience_s

    def _backoff_s(self, attempts: int) -> float:
        """Full jitter: anywhere below an exponentially growing, capped bound."""
        bound = min(self._pace.backoff_cap_s, self._pace.backoff_first_s * 2 ** min(attempts - 1, 30))
        return self._rng.uniform(0, bound)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._pace.lease_s / 3)
            held = list(self._running)
            if not held:
                continue
            try:
                async with self._db.connection() as conn:
                    kept = await rows.extend(conn, held, lease_s=self._pace.lease_s)
            except Exception as exc:
                log.warning("leases_not_extended", error=type(exc).__name__, count=len(held))
                continue
            for each in held:
                task = self._running.get(each)
                if each.outbox_id not in kept and task is not None:
                    # Somebody else has it or it is done: what this attempt still does would be for nothing.
                    log.warning("lease_lost", type=each.type, outbox_id=str(each.outbox_id))
                    task.cancel()

    def _leave_place(self, claimed: Claimed) -> None:
        self._handled.add(claimed)
        self._taken[claimed.type] -= 1
        self._recording[claimed.type] += 1
        self._look.set()

    def _ended(self, claimed: Claimed) -> None:
        task = self._running.pop(claimed, None)
        if claimed in self._handled:
            self._handled.remove(claimed)
            self._recording[claimed.type] -= 1
        else:
            self._taken[claimed.type] -= 1
        if task is not None and not task.cancelled() and task.exception() is not None:
            log.error("attempt_crashed", type=claimed.type, exc_info=task.exception())
        self._look.set()

    async def _drain(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(list(self._running.values()), timeout=self._pace.drain_s)
        given_back = [each for each, task in self._running.items() if task in late]
        for task in late:
            task.cancel()
        try:
            async with self._db.connection() as conn:
                for each in given_back:
                    await rows.retry(conn, each, error="worker stopped", after_s=0)
        except (DomainError, *postgres.DATABASE_ERRORS) as exc:
            log.warning("commands_not_given_back", error=type(exc).__name__, count=len(given_back))
