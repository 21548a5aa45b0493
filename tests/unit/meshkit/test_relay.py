import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from google.protobuf.wrappers_pb2 import StringValue

from meshkit import call, outbox
from meshkit.errors import EtagMismatch
from meshkit.outbox import Attempt, Dead, Done, EmbeddedRoad, Handler, Outcome, Relay, Retry
from meshkit.outbox.relay import Pace
from meshkit.outbox.rows import Claimed
from meshkit.outbox.source import Table
from meshkit.postgres import Database
from meshkit.testing import eventually

FAST = Pace(poll_interval_s=0.05, backoff_first_s=0.01, backoff_cap_s=0.05, max_attempts=3, drain_s=0.1)


class Say(Handler[StringValue]):
    """Does what the test says, and remembers its attempts."""

    type, command = "say", StringValue
    timeout_s, concurrency = 5.0, 4

    def __init__(self, behave: Callable[[str, Attempt], Awaitable[Outcome]]) -> None:
        self._behave = behave
        self.attempts: list[tuple[str, int]] = []
        self.running = self.most = 0

    async def handle(self, command: StringValue, attempt: Attempt) -> Outcome:
        self.attempts.append((command.value, attempt.number))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._behave(command.value, attempt)
        finally:
            self.running -= 1


@asynccontextmanager
async def relaying(database: Database, handler: Say, pace: Pace = FAST) -> AsyncIterator[Relay]:
    road = EmbeddedRoad({handler.type: handler}, worker="test")
    relay = Relay(database, road, [handler], pace=pace, rng=random.Random(1))
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def put(database: Database, *values: str) -> None:
    async with database.transaction() as conn:
        for value in values:
            await outbox.put(conn, StringValue(value=value), type="say", key=value)


async def ended(database: Database, status: str, count: int) -> None:
    async def check() -> bool:
        found = await database.fetchval("select count(*) from messaging.outbox where status = $1", status)
        return bool(found == count)

    await eventually(check)


async def last_error(database: Database) -> str:
    return str(await database.fetchval("select last_error from messaging.outbox"))


async def done(_: str, __: Attempt) -> Outcome:
    return Done()


async def test_commands_are_handled_and_marked_done(database: Database) -> None:
    handler = Say(done)
    await put(database, *map(str, range(20)))
    async with relaying(database, handler):
        await ended(database, "done", 20)
    assert sorted(handler.attempts) == sorted((str(number), 1) for number in range(20))
    assert handler.most <= handler.concurrency


async def test_what_fails_is_tried_again_and_then_given_up_with_its_reason(database: Database) -> None:
    async def fails(_: str, __: Attempt) -> Outcome:
        raise EtagMismatch("said by a customer", etag="1")

    handler = Say(fails)
    await put(database, "k")
    async with relaying(database, handler):
        await ended(database, "dead", 1)
    assert handler.attempts == [("k", 1), ("k", 2), ("k", 3)]
    assert await last_error(database) == "ETAG_MISMATCH"


async def test_an_unforeseen_exception_is_named_without_its_text(database: Database) -> None:
    async def fails(_: str, __: Attempt) -> Outcome:
        raise ValueError("said by a customer")

    await put(database, "k")
    async with relaying(database, Say(fails)):
        await ended(database, "dead", 1)
    assert await last_error(database) == "ValueError"


async def test_poison_is_dead_at_once_and_its_neighbours_flow(database: Database) -> None:
    async def picky(value: str, _: Attempt) -> Outcome:
        return Dead("poison") if value == "bad" else Done()

    handler = Say(picky)
    await put(database, "bad", "good")
    async with relaying(database, handler):
        await ended(database, "dead", 1)
        await ended(database, "done", 1)
    assert handler.attempts.count(("bad", 1)) == 1


async def test_a_payload_of_another_type_is_dead(database: Database) -> None:
    await database.execute(
        "insert into messaging.outbox (outbox_id, type, payload_json, idempotency_key)"
        " values (gen_random_uuid(), 'say', '{\"a\": 1}', 'k')"
    )
    async with relaying(database, Say(done)):
        await ended(database, "dead", 1)
    assert await last_error(database) == "the payload is not a google.protobuf.StringValue"


async def test_a_handler_that_hangs_is_cut_and_tried_again(database: Database) -> None:
    class Hanging(Say):
        timeout_s = 0.05

    async def hangs_once(_: str, attempt: Attempt) -> Outcome:
        if attempt.number == 1:
            await asyncio.Event().wait()
        return Done()

    await put(database, "k")
    async with relaying(database, Hanging(hangs_once)):
        await ended(database, "done", 1)


async def test_an_attempt_that_never_reported_back_counts(database: Database) -> None:
    await put(database, "k")
    await database.execute("update messaging.outbox set attempts = 3")
    handler = Say(done)
    async with relaying(database, handler):
        await ended(database, "dead", 1)
    assert handler.attempts == []
    assert "never reported back" in await last_error(database)


async def test_retry_waits_as_long_as_it_says(database: Database) -> None:
    async def later(_: str, __: Attempt) -> Outcome:
        return Retry("busy", after_s=3600)

    handler = Say(later)
    await put(database, "k")
    async with relaying(database, handler):
        await eventually(lambda: database.fetchval("select next_attempt_at > now() from messaging.outbox"))
    assert handler.attempts == [("k", 1)]


async def test_attempts_that_say_nothing_about_the_command_do_not_count(database: Database) -> None:
    async def away(_: str, attempt: Attempt) -> Outcome:
        return Done() if len(handler.attempts) > 2 * FAST.max_attempts else Retry("away", after_s=0, counts=False)

    handler = Say(away)
    await put(database, "k")
    async with relaying(database, handler):
        await ended(database, "done", 1)
    assert {number for _, number in handler.attempts} == {1}


async def test_a_command_does_not_outlive_an_absent_peer_for_ever(database: Database) -> None:
    async def away(_: str, __: Attempt) -> Outcome:
        return Retry("away", after_s=0, counts=False)

    handler = Say(away)
    await put(database, "k")
    async with relaying(database, handler, replace(FAST, away_patience_s=0)):
        await ended(database, "dead", 1)
    assert len(handler.attempts) == FAST.max_attempts


async def test_a_wake_up_beats_the_poll(database: Database) -> None:
    handler = Say(done)
    async with relaying(database, handler, Pace(poll_interval_s=600)) as relay:
        await asyncio.sleep(0)
        await put(database, "k")
        relay.wake()
        await ended(database, "done", 1)


async def test_a_long_attempt_keeps_its_lease(database: Database) -> None:
    go = asyncio.Event()

    async def waits(_: str, __: Attempt) -> Outcome:
        await go.wait()
        return Done()

    handler = Say(waits)
    await put(database, "k")
    async with relaying(database, handler, Pace(poll_interval_s=0.05, lease_s=0.6)):
        await eventually(lambda: database.fetchval("select attempts = 1 from messaging.outbox"))
        claimed_until = await database.fetchval("select lease_expires_at from messaging.outbox")

        async def extended_twice() -> bool:
            now = await database.fetchval("select lease_expires_at from messaging.outbox")
            return bool((now - claimed_until).total_seconds() > 0.39)

        await eventually(extended_twice)
        go.set()
        await ended(database, "done", 1)
    assert handler.attempts == [("k", 1)]


async def test_an_attempt_whose_lease_is_lost_is_stopped(database: Database) -> None:
    stopped = asyncio.Event()

    async def waits(_: str, attempt: Attempt) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return Done()

    await put(database, "k")
    async with relaying(database, Say(waits), Pace(poll_interval_s=0.05, lease_s=0.6)):
        await eventually(lambda: database.fetchval("select attempts = 1 from messaging.outbox"))
        await database.execute("update messaging.outbox set status = 'done'")
        async with asyncio.timeout(5):
            await stopped.wait()


async def test_a_worker_that_stops_gives_its_commands_back_at_once(database: Database) -> None:
    entered = asyncio.Event()

    async def waits(_: str, __: Attempt) -> Outcome:
        entered.set()
        await asyncio.Event().wait()
        return Done()

    await put(database, "k")
    async with relaying(database, Say(waits), Pace(poll_interval_s=0.05, drain_s=0.05)):
        await entered.wait()
    row = await database.fetchrow("select status, lease_token, next_attempt_at <= now() as due from messaging.outbox")
    assert row is not None
    assert (row["status"], row["lease_token"], row["due"]) == ("pending", None, True)


class Counted(Table):
    """The table, and how many of its commands the relay holds at once."""

    held = most_held = most_wanted = 0

    async def claim(self, free: Mapping[str, int], *, lease_s: float) -> list[Claimed]:
        self.most_wanted = max(self.most_wanted, self.held + sum(free.values()))
        claimed = await super().claim(free, lease_s=lease_s)
        self.held += len(claimed)
        self.most_held = max(self.most_held, self.held)
        return claimed

    async def ended(self, claimed: Claimed, outcome: object) -> None:
        self.held -= 1


async def test_while_commands_are_marked_others_are_handled_but_only_as_many_again(database: Database) -> None:
    locked = asyncio.Event()

    async def waits(_: str, __: Attempt) -> Outcome:
        await locked.wait()
        return Done()

    handler, source = Say(waits), Counted(database)
    await put(database, *map(str, range(20)))
    road = EmbeddedRoad({handler.type: handler}, worker="test")
    relay = asyncio.create_task(Relay(database, road, [handler], pace=FAST, source=source).run())
    async with database.transaction() as conn:
        await eventually(lambda: asyncio.sleep(0, len(handler.attempts) == 4))
        # The first marks wait for this, and all others for them.
        await conn.execute("select from messaging.outbox where lease_token is not null for update")
        locked.set()
        await eventually(lambda: asyncio.sleep(0, source.held == 8))
        assert await database.fetchval("select count(*) from messaging.outbox where status = 'done'") == 0
    await ended(database, "done", 20)
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
    assert (handler.most, source.most_held, source.most_wanted) == (4, 8, 8)


async def test_a_handler_knows_its_request_id_deadline_and_principal(database: Database) -> None:
    seen = []

    async def looks(_: str, attempt: Attempt) -> Outcome:
        seen.append((call.current_request_id(), call.remaining_s(), call.current_principal().role_name))
        assert call.current_request_id() == str(attempt.outbox_id)
        return Done()

    await put(database, "k")
    async with relaying(database, Say(looks)):
        await ended(database, "done", 1)
    _, remaining, role = seen[0]
    assert role == "service"
    assert remaining is not None
    assert 4 < remaining <= 5
