"""The amqp road against a real RabbitMQ: what the broker loses, repeats or refuses changes nothing that commands do."""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from google.protobuf.wrappers_pb2 import StringValue

from cli.stack.rabbitmq import RabbitServer
from meshkit.amqp.intake import DROPPED
from meshkit.amqp.link import CONNECTED, Broker
from meshkit.amqp.publisher import NotPublished, Publisher
from meshkit.ids import new_id
from meshkit.outbox import Attempt, Dead, Done, Outcome, Retry
from meshkit.postgres import Database
from meshkit.testing import eventually

from .amqp_road import Say, Wire, ended, put, running, topology, traffic


@pytest.fixture
def node(rabbitmq: RabbitServer) -> RabbitServer:
    return rabbitmq


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url, name="test")
    yield database
    await database.close()


@pytest.fixture
def prefix() -> str:
    return f"t{secrets.token_hex(4)}"


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(url)
    async with connection:
        yield await connection.channel()


async def depth(url: str, queue: str) -> int:
    """Messages of a queue that wait for a consumer. Those of a quorum queue are counted with a delay."""
    async with channel(url) as admin:
        found = await admin.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


async def done(_: str, __: Attempt) -> Outcome:
    return Done()


async def test_commands_are_handled_once_and_marked_done(database: Database, node: RabbitServer, prefix: str) -> None:
    handler = Say(done)
    await put(database, map(str, range(30)))
    # A window smaller than the backlog: it moves on as commands are settled.
    async with running(traffic(database, handler, node.url, prefix, window=10)):
        await ended(database, "done", 30)
    assert sorted(handler.attempts) == sorted((str(number), 1) for number in range(30))
    assert await database.fetchval("select bool_and(attempts = 1) from messaging.outbox")


async def test_a_message_is_the_protobuf_and_says_the_rest_in_its_properties(
    database: Database, node: RabbitServer, prefix: str
) -> None:
    go = asyncio.Event()
    session = new_id()

    async def waits(_: str, __: Attempt) -> Outcome:
        await go.wait()
        return Done()

    async with running(traffic(database, Say(waits), node.url, prefix)), channel(node.url) as admin:
        await connected(prefix, "publisher")
        spy = await admin.declare_queue(exclusive=True)
        await spy.bind(topology(prefix).commands, "talk")
        await put(database, ["hello"], ordering_key=session)
        message = await next_message(spy)
        go.set()
        await ended(database, "done", 1)
    row = await database.fetchrow("select * from messaging.outbox")
    assert row is not None
    assert StringValue.FromString(message.body).value == "hello"
    assert (message.type, message.content_type) == ("say", "application/x-protobuf")
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.headers["outbox_id"] == str(row["outbox_id"]) == message.correlation_id
    assert (message.headers["key"], message.headers["attempt"]) == ("hello", 1)
    assert message.headers["ordering_key"] == str(session)
    assert "traceparent" in message.headers


async def next_message(queue: aio_pika.abc.AbstractQueue) -> AbstractIncomingMessage:
    async def look() -> AbstractIncomingMessage | None:
        return await queue.get(fail=False)

    found = await eventually(look)
    assert isinstance(found, AbstractIncomingMessage)
    return found


async def connected(prefix: str, which: str, *, is_so: bool = True, timeout_s: float = 10.0) -> None:
    async def look() -> bool:
        return bool(CONNECTED.labels(f"{prefix} {which}")._value.get() == is_so)

    await eventually(look, timeout_s=timeout_s)


async def test_commands_of_one_key_keep_their_order_also_through_retries(
    database: Database, node: RabbitServer, prefix: str
) -> None:
    async def stumbles(value: str, attempt: Attempt) -> Outcome:
        return Retry("once more") if value in ("0", "3") and attempt.number == 1 else Done()

    handler = Say(stumbles)
    await put(database, map(str, range(6)), ordering_key=new_id())
    async with running(traffic(database, handler, node.url, prefix)):
        await ended(database, "done", 6)
    assert [value for value, _ in handler.attempts] == ["0", "0", "1", "2", "3", "3", "4", "5"]


async def test_poison_is_dead_after_n_attempts_and_its_neighbours_flow(
    database: Database, node: RabbitServer, prefix: str
) -> None:
    async def picky(value: str, _: Attempt) -> Outcome:
        if value == "raises":
            raise ValueError("said by a customer")
        return Retry("not now") if value == "nacks" else Dead("never") if value == "hopeless" else Done()

    handler = Say(picky)
    await put(database, ["raises", "nacks", "hopeless", *map(str, range(10))])
    # Writing a traceback takes a busy machine longer than a short lease.
    async with running(traffic(database, handler, node.url, prefix, lease_s=30.0)):
        await ended(database, "done", 10)
        await ended(database, "dead", 3)
        tried = {value: [n for each, n in handler.attempts if each == value] for value in ("raises", "nacks")}
        assert tried == {"raises": [1, 2, 3], "nacks": [1, 2, 3]}
        assert ("hopeless", 2) not in handler.attempts

        async def all_there() -> bool:
            return await depth(node.url, topology(prefix).dead) == 3

        await eventually(all_there)
    errors = await database.fetch("select last_error from messaging.outbox where status = 'dead'")
    assert sorted(row["last_error"] for row in errors) == ["ValueError", "never", "not now"]


async def test_a_command_that_kills_its_worker_is_dead_after_n_attempts(
    database: Database, database_url: str, node: RabbitServer, prefix: str
) -> None:
    await put(database, ["crash", "a", "b"])
    workers = 0
    # Four workers are started, one after the other.
    deadline = time.monotonic() + 80
    while await database.fetchval("select count(*) from messaging.outbox where status = 'pending'"):
        assert time.monotonic() < deadline
        async with worker(database_url, node.url, prefix) as process:
            workers += 1
            settled = asyncio.create_task(ended(database, "pending", 0, timeout_s=30))
            await asyncio.wait([settled, asyncio.create_task(process.wait())], return_when=asyncio.FIRST_COMPLETED)
            settled.cancel()
    rows = await database.fetch("select idempotency_key as key, status, attempts from messaging.outbox")
    assert {row["key"]: row["status"] for row in rows} == {"crash": "dead", "a": "done", "b": "done"}
    assert workers >= 3, "each attempt but the last took a worker with it"


async def test_a_worker_killed_between_commit_and_acknowledgement_repeats_nothing(
    database: Database, database_url: str, node: RabbitServer, prefix: str
) -> None:
    await put(database, ["once"])
    async with worker(database_url, node.url, prefix, failpoint="amqp.ack.before:kill") as process:
        assert await asyncio.wait_for(process.wait(), 20) == -9
    assert await database.fetchval("select status from messaging.outbox") == "done"
    dropped = DROPPED.labels("settled")._value.get()
    handler = Say(done)
    async with running(traffic(database, handler, node.url, prefix)):

        async def found_settled() -> bool:
            return bool(DROPPED.labels("settled")._value.get() == dropped + 1)

        await eventually(found_settled)
    assert handler.attempts == []


@asynccontextmanager
async def worker(
    database_url: str, amqp_url: str, prefix: str, *, failpoint: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.mesh.amqp_road", database_url, amqp_url, prefix),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": ".:gen", "GROUNDLINE_FAILPOINT": failpoint},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_duplicates_change_nothing(database: Database, node: RabbitServer, prefix: str) -> None:
    handler = Say(done)
    async with running(traffic(database, handler, node.url, prefix)), channel(node.url) as admin:
        await connected(prefix, "publisher")
        spy = await admin.declare_queue(exclusive=True)
        await spy.bind(topology(prefix).commands, "talk")
        await put(database, ["k"])
        message = await next_message(spy)
        await ended(database, "done", 1)
        before = dropped()
        exchange = await admin.get_exchange(topology(prefix).commands, ensure=False)
        for _ in range(5):
            await exchange.publish(aio_pika.Message(message.body, **properties(message)), "talk")

        async def all_dropped() -> bool:
            return dropped() == before + 5

        await eventually(all_dropped)
    assert handler.attempts == [("k", 1)]
    assert await database.fetchval("select attempts from messaging.outbox") == 1


def dropped() -> float:
    # Two of a kind that arrive together are told apart before their row is asked.
    return float(sum(DROPPED.labels(reason)._value.get() for reason in ("settled", "duplicate")))


def properties(message: AbstractIncomingMessage) -> dict[str, object]:
    return {"headers": message.headers, "type": message.type, "content_type": message.content_type}


async def test_what_no_queue_takes_is_not_marked_and_comes_through_once_one_does(
    database: Database, node: RabbitServer, prefix: str
) -> None:
    shape = topology(prefix)
    publisher = Publisher(Broker(node.url), shape, name=prefix, opened=lambda: None)
    task = asyncio.create_task(publisher.run())
    try:
        await connected(prefix, "publisher")
        with pytest.raises(NotPublished, match="unroutable"):
            await publisher.publish(aio_pika.Message(b""), shape.commands, "no such family")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    handler = Say(done)
    async with running(traffic(database, handler, node.url, prefix)), channel(node.url) as admin:
        await connected(prefix, "publisher")
        await connected(prefix, "consumer")
        queue = await admin.get_queue(shape.queue("talk"), ensure=False)
        await queue.unbind(shape.commands, "talk")
        await put(database, ["k"])
        # A returned message makes the publisher declare what is missing, on a new connection.
        await ended(database, "done", 1)
    assert handler.attempts == [("k", 1)], "what was returned was no attempt"


async def test_a_broker_killed_after_it_confirmed_keeps_what_it_confirmed(
    database: Database, node: RabbitServer, prefix: str
) -> None:
    go = asyncio.Event()

    async def waits(_: str, __: Attempt) -> Outcome:
        await go.wait()
        return Done()

    handler = Say(waits)
    # Republished after a minute, which is later than this test waits: what arrives was kept by the broker.
    async with running(traffic(database, handler, node.url, prefix)):
        await put(database, map(str, range(40)))
        await confirmed(database, 40)
        await settle_leaders()
        await asyncio.to_thread(node.kill9)
        await connected(prefix, "publisher", is_so=False)
        # Capture goes on, and the backlog waits where it is.
        await put(database, map(str, range(40, 60)))
        # Not in this thread: the workers have leases to keep.
        await asyncio.to_thread(node.start)
        go.set()
        await ended(database, "done", 60, timeout_s=30)
    assert {value for value, _ in handler.attempts} == {str(number) for number in range(60)}
    assert await database.fetchval("select max(attempts) from messaging.outbox") == 1, "the outage cost no attempt"


async def test_a_broker_that_is_erased_loses_nothing(database: Database, node: RabbitServer, prefix: str) -> None:
    go = asyncio.Event()

    async def waits(_: str, __: Attempt) -> Outcome:
        await go.wait()
        return Done()

    handler = Say(waits)
    async with running(traffic(database, handler, node.url, prefix, republish_after_s=3.0)):
        await put(database, map(str, range(40)))
        await confirmed(database, 40)
        await asyncio.to_thread(node.kill9)
        await asyncio.to_thread(node.erase)
        # Not in this thread: the workers have leases to keep.
        await asyncio.to_thread(node.start)
        go.set()
        await ended(database, "done", 40, timeout_s=30)


async def confirmed(database: Database, count: int) -> None:
    """All rows were published: each is leased."""

    async def check() -> bool:
        query = "select count(*) from messaging.outbox where lease_expires_at > now() and status = 'pending'"
        return bool(await database.fetchval(query) == count)

    await eventually(check)


async def settle_leaders() -> None:
    """A quorum queue that was declared a moment before its node is killed may come back without a leader."""
    await asyncio.sleep(3)


async def test_a_broker_that_falls_silent_is_noticed_within_two_heartbeats(
    database: Database, node: RabbitServer, prefix: str
) -> None:
    handler = Say(done)
    heartbeat_s = 2
    async with Wire(node.ports.amqp).open() as wire:
        url = node.url.replace(f":{node.ports.amqp}", f":{wire.port}")
        async with running(traffic(database, handler, url, prefix, heartbeat_s=heartbeat_s, republish_after_s=3.0)):
            await connected(prefix, "publisher")
            await connected(prefix, "consumer")
            wire.fall_silent()
            await put(database, ["k"])
            for which in ("consumer", "publisher"):
                await connected(prefix, which, is_so=False, timeout_s=2 * heartbeat_s)
            assert handler.attempts == []
            wire.heal()
            await ended(database, "done", 1)


async def test_what_is_not_ours_goes_to_the_dead_letters(database: Database, node: RabbitServer, prefix: str) -> None:
    shape = topology(prefix)
    async with running(traffic(database, Say(done), node.url, prefix)), channel(node.url) as admin:
        await connected(prefix, "consumer")
        exchange = await admin.get_exchange(shape.commands, ensure=False)
        await exchange.publish(aio_pika.Message(b"\xff"), "talk")

        async def there() -> bool:
            return await depth(node.url, shape.dead) == 1

        await eventually(there)
        # And the road is open still.
        await put(database, ["k"])
        await ended(database, "done", 1)


async def test_a_password_is_never_said(
    database: Database, node: RabbitServer, prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    password = node.url.split(":")[2].split("@")[0]
    wrong = node.url.replace(password, "wrong-secret")
    async with running(traffic(database, Say(done), wrong, prefix)):
        said: list[str] = []

        async def refused() -> bool:
            captured = capfd.readouterr()
            said.append(captured.out + captured.err)
            return "".join(said).count("broker_unreachable") >= 3

        await eventually(refused)
    text = "".join(said) + repr(Broker(wrong))
    assert "wrong-secret" not in text
    assert password not in text
