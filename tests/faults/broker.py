"""Experiments 6 to 8, 13 to 15, 21 and 26: RabbitMQ dies, is away, falls silent, is erased, and takes or returns what
it should not. The outbox is the truth: whatever the broker does, each command has its effect once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import aio_pika
import httpx
from aio_pika.abc import AbstractChannel

from svc_workers.roads import FAMILIES

from .database import ended, pending
from .experiments import Experiment, Result, Trial, struck, under_load
from .stage import AMQP_HEARTBEAT_S, REPUBLISH_AFTER_S, Stage
from .strikes import At

AMQP = ("amqp",)
WORKERS = ("worker-delivery", "worker-knowledge")
# Scaled down from minutes: three times as long as a command may be under way before it is published again.
_AWAY_S = 3 * REPUBLISH_AFTER_S
_SILENT_S = 8.0
# Beyond what a handler waits for a peer by itself, so that its command goes to a delay queue.
_PEER_AWAY_S = 9.0
# After a silence: a pause of the publisher's, and what was published and lost on the wire comes again.
_SOON_S = 30.0
_CONNECTED = 'groundline_amqp_connected{name="'

PLACES = Experiment(
    "workers killed before a publish, after its confirm, and around the acknowledgement",
    (
        At("amqp.publish.before", "worker-delivery"),
        At("amqp.publish.confirmed", "worker-delivery"),
        At("amqp.command.taken", "worker-delivery"),
        At("amqp.ack.before", "worker-delivery"),
        At("amqp.ack.after", "worker-delivery"),
    ),
)


async def killed_after_confirm(stage: Stage, result: Result) -> None:
    """6: the broker is killed at the moment at which it has confirmed a command that nobody has taken yet."""
    async with under_load(stage, result):
        for _ in range(result.rounds):
            serial = stage.arm("amqp.publish.confirmed", "sleep:0.2")
            await stage.firing(serial, 60)
            await _killed(stage, result, "kill -9 rabbitmq after a confirm")


async def away(stage: Stage, result: Result) -> None:
    """7: the broker is away for a while. What customers say is acknowledged all the same, and the backlog drains."""
    async with under_load(stage, result) as load:
        for _ in range(result.rounds):
            await asyncio.sleep(2)
            await asyncio.to_thread(stage.stack.stop, "rabbitmq")
            before, began = len(load.ledger.entries), time.monotonic()
            await asyncio.sleep(_AWAY_S)
            captured = len(load.ledger.entries) - before
            result.expect(captured > 0, "unexplained", "gateway", "nothing was acknowledged while the broker was away")
            result.measured[f"acknowledged in {_AWAY_S:.0f} s without a broker"] = str(captured)
            await asyncio.to_thread(stage.stack.start, "rabbitmq", 60)
            result.add("broker away", time.monotonic() - began - _AWAY_S)


async def silent(stage: Stage, result: Result) -> None:
    """8: the way to the broker swallows everything and resets nothing. The workers notice within two heartbeats."""
    async with stage.wired(WORKERS, "rabbitmq") as wires, under_load(stage, result):
        for _ in range(result.rounds):
            await asyncio.sleep(1)
            await _connections(stage, is_so=True, timeout_s=30)
            began = time.monotonic()
            for each in wires.values():
                each.silence()
            try:
                # The heartbeats, and what a look at the workers' figures takes on a busy machine.
                noticed = await _connections(stage, is_so=False, timeout_s=2 * AMQP_HEARTBEAT_S + 2)
            except TimeoutError:
                result.expect(False, "unexplained", "link", "a silent broker was not noticed within two heartbeats")
            else:
                result.measured["noticed after (s)"] = f"{noticed:.1f} (heartbeat {AMQP_HEARTBEAT_S} s)"
            await asyncio.sleep(max(0.0, began + _SILENT_S - time.monotonic()))
            for each in wires.values():
                each.heal()
                each.cut()
            result.add("broker silent", await _connections(stage, is_so=True, timeout_s=60))
    soon = result.quiet_s is not None and result.quiet_s < _SOON_S
    result.expect(soon, "unexplained", "relay", "what the broker left unconfirmed was held back long after it was back")


async def unroutable(stage: Stage, result: Result) -> None:
    """15: no queue takes what is published. The broker returns it, no row is done for it, and what is missing is
    declared again."""
    async with under_load(stage, result):
        for _ in range(result.rounds):
            await asyncio.sleep(1)
            async with _channel(stage) as admin:
                for family in sorted(set(FAMILIES.values())):
                    queue = await admin.get_queue(f"groundline.commands.{family}", ensure=False)
                    await queue.unbind("groundline.commands", family)
                    result.add(f"queue of {family} unbound")
            await asyncio.sleep(3)


async def dead_letters_missing(stage: Stage, result: Result) -> None:
    """14: the exchange and the queue of the dead letters are deleted under load: commands flow, and come back to life
    by the table alone."""
    async with under_load(stage, result):
        for _ in range(result.rounds):
            await asyncio.sleep(1)
            async with _channel(stage) as admin:
                await admin.queue_delete("groundline.dead")
                await admin.exchange_delete("groundline.dead")
            result.add("dead-letter queue and exchange deleted")
            await asyncio.sleep(3)


async def disk_alarm(stage: Stage, result: Result) -> None:
    """21: RabbitMQ says that its disk is full and takes nothing more. Customers notice nothing, and all flows again
    once there is room."""
    async with under_load(stage, result) as load:
        await asyncio.sleep(2)
        await _ctl(stage, "set_disk_free_limit", "900000GB")
        before = len(load.ledger.entries)
        await asyncio.sleep(_AWAY_S / 2)
        captured = len(load.ledger.entries) - before
        result.expect(captured > 0, "unexplained", "gateway", "nothing was acknowledged during the disk alarm")
        result.measured["acknowledged during the alarm"] = str(captured)
        began = time.monotonic()
        waiting = await pending(stage)
        await _ctl(stage, "set_disk_free_limit", "200MB")
        result.expect(
            await ended(stage, waiting, 60), "unexplained", "relay", "what had waited was not done in a minute"
        )
        result.add("disk alarm", time.monotonic() - began)


async def erased(stage: Stage, result: Result) -> None:
    """26: the broker loses its volume, with all that it had confirmed: among it commands that wait in its delay queues
    for a peer that is away. The table publishes them again."""
    async with under_load(stage, result):
        for _ in range(result.rounds):
            await asyncio.sleep(1)
            await asyncio.to_thread(stage.stack.stop, "ticketing")
            await asyncio.sleep(_PEER_AWAY_S)
            with stage.stopped("worker-knowledge"), stage.stopped("worker-delivery"):
                await asyncio.to_thread(_erase, stage)
            began = time.monotonic()
            await asyncio.to_thread(stage.stack.start, "rabbitmq", 60)
            await asyncio.to_thread(stage.stack.start, "ticketing", 60)
            result.add("broker erased", time.monotonic() - began)


async def without_mandatory(stage: Stage, result: Result) -> None:
    """Control of 15: what no queue takes is confirmed all the same, and nothing is published again."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_never_again(stage))
        for each in WORKERS:
            await stack.enter_async_context(stage.without("mandatory_off", each))
        await unroutable(stage, result)


async def not_published_again(stage: Stage, result: Result) -> None:
    """Control of 26: a command that was published is left to the broker."""
    async with _never_again(stage):
        await erased(stage, result)


def _never_again(stage: Stage) -> AbstractAsyncContextManager[None]:
    return stage.told({each: {"GROUNDLINE_AMQP_REPUBLISH_AFTER_S": "3600"} for each in WORKERS})


def _erase(stage: Stage) -> None:
    server = stage.stack.broker.server
    assert server is not None
    stage.stack.stop("rabbitmq")
    server.erase()


async def _killed(stage: Stage, result: Result, strike: str) -> None:
    began = time.monotonic()
    await stage.replaced("rabbitmq", await stage.kill9("rabbitmq"), 90)
    result.add(strike, time.monotonic() - began)


async def _connections(stage: Stage, *, is_so: bool, timeout_s: float) -> float:
    """Waits until every worker says of all its connections that they stand, or that they don't; how long that took."""
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=2) as http, asyncio.timeout(timeout_s):
        while True:
            lines: list[str] = []
            for worker in WORKERS:
                answer = await http.get(f"http://127.0.0.1:{stage.stack.ports.metrics(worker)}/metrics")
                lines += [line for line in answer.text.splitlines() if line.startswith(_CONNECTED)]
            if len(lines) == 2 * len(WORKERS) and all(line.endswith(" 1.0") == is_so for line in lines):
                return time.monotonic() - began
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _channel(stage: Stage) -> AsyncIterator[AbstractChannel]:
    server = stage.stack.broker.server
    assert server is not None
    connection = await aio_pika.connect(server.url)
    async with connection:
        yield await connection.channel()


async def _ctl(stage: Stage, *words: str) -> None:
    """Tells the node something by its own tool."""
    server = stage.stack.broker.server
    assert server is not None
    process = await asyncio.create_subprocess_exec(
        str(Path(server.command()[0]).with_name("rabbitmqctl")),
        *words,
        env=server.environment(),
        cwd="/",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()


TRIALS = (
    struck("2, 3", PLACES, AMQP),
    Trial("6", "RabbitMQ killed after a confirm", killed_after_confirm, AMQP, most_rounds=4),
    Trial("7", "RabbitMQ away: capture goes on, the backlog drains", away, AMQP),
    Trial("8", "RabbitMQ silent without a reset: seen within two heartbeats", silent, AMQP, most_rounds=3),
    Trial("14", "dead-letter target missing", dead_letters_missing, AMQP),
    Trial("15", "unroutable: no row is done for what no queue took", unroutable, AMQP, most_rounds=3),
    Trial("21", "RabbitMQ's disk alarm", disk_alarm, AMQP),
    Trial("26", "RabbitMQ's volume erased: published again from the table", erased, AMQP, most_rounds=2),
)
