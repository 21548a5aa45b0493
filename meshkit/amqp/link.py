"""One connection to the broker, kept: opened again when it is lost, and given up as soon as it stops answering.

Not aio-pika's robust connection: its channels can wait for ever while they are disconnected, and its heartbeat notices
a peer that vanished without a reset after three intervals. Here a lost connection fails what runs on it at once.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from meshkit.amqp.topology import Topology
from meshkit.telemetry import gauge, get_logger

log = get_logger(__name__)
# It warns of every lost connection with a traceback; that one was lost is said here.
logging.getLogger("aiormq").setLevel(logging.ERROR)

CONNECTED = gauge("groundline_amqp_connected", "1 while the connection to the broker stands.", ["name"])

# What a broker that is away, restarting or refusing makes aio-pika raise; TimeoutError is an OSError.
BROKER_ERRORS = (aio_pika.exceptions.AMQPError, OSError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach the broker, and how patient to be. Seconds throughout.

    `url` is amqp://user:password@host:port/vhost or amqps://…; it is in no log line and not in this object's repr.
    A connection whose other end is silent is given up after one and a half of `heartbeat_s`.
    """

    url: str = field(repr=False)
    heartbeat_s: int = 10
    connect_timeout_s: float = 10.0
    operation_timeout_s: float = 5.0
    first_pause_s: float = 0.2
    longest_pause_s: float = 5.0


GiveUp = Callable[..., None]
"""Drops the one connection that it belongs to, for a reason to think that it is no good; arguments say nothing."""
Prepare = Callable[[AbstractConnection, GiveUp], Awaitable[None]]


class Link:
    """Keeps one connection for one purpose. `run` is its loop."""

    def __init__(
        self, broker: Broker, topology: Topology, name: str, *, prepare: Prepare, lost: Callable[[], None]
    ) -> None:
        """`prepare` opens what the purpose needs on each new connection; `lost` is told when that is gone."""
        self.broker = broker
        self._topology = topology
        self._name = name
        self._prepare = prepare
        self._lost = lost
        self._closing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Connects, watches and connects again, until cancelled."""
        failures = 0
        try:
            while True:
                try:
                    connection = await self._open()
                except BROKER_ERRORS as exc:
                    failures += 1
                    log.warning("broker_unreachable", name=self._name, error=type(exc).__name__, failures=failures)
                    await asyncio.sleep(self._pause_s(failures))
                    continue
                try:
                    await self._serve(connection)
                    failures = 0
                except BROKER_ERRORS as exc:
                    failures += 1
                    log.warning("broker_refused", name=self._name, error=type(exc).__name__, failures=failures)
                finally:
                    CONNECTED.labels(self._name).set(0)
                    self._lost()
                    self._close(connection)
                await asyncio.sleep(self._pause_s(failures))
        finally:
            if self._closing:
                await asyncio.wait(self._closing, timeout=self.broker.operation_timeout_s)

    async def _open(self) -> AbstractConnection:
        return await aio_pika.connect(
            self.broker.url,
            timeout=self.broker.connect_timeout_s,
            heartbeat=self.broker.heartbeat_s,
            client_properties={"connection_name": f"groundline {self._name}"},
        )

    async def _serve(self, connection: AbstractConnection) -> None:
        # Of this connection: what an older one still has to say is not about this.
        ended = asyncio.Event()

        def give_up(*_: object) -> None:
            ended.set()

        connection.close_callbacks.add(give_up)
        async with asyncio.timeout(self.broker.connect_timeout_s):
            control = await connection.channel(publisher_confirms=False)
            await self._topology.declare(control)
            await self._prepare(connection, give_up)
        CONNECTED.labels(self._name).set(1)
        log.info("broker_connected", name=self._name)
        await self._watch(control, ended)
        log.warning("broker_connection_lost", name=self._name)

    async def _watch(self, control: AbstractChannel, ended: asyncio.Event) -> None:
        """Returns when the connection is lost: closed, given up, or without an answer for one heartbeat."""
        while not ended.is_set():
            try:
                async with asyncio.timeout(self.broker.heartbeat_s / 2):
                    await ended.wait()
            except TimeoutError:
                try:
                    async with asyncio.timeout(self.broker.heartbeat_s):
                        await self._topology.probe(control)
                except TimeoutError:
                    log.warning("broker_silent", name=self._name)
                    return

    def _close(self, connection: AbstractConnection) -> None:
        # Saying goodbye to a peer that is gone takes as long as it takes: the next connection doesn't wait for it.
        async def close() -> None:
            try:
                async with asyncio.timeout(self.broker.operation_timeout_s):
                    await connection.close()
            except BROKER_ERRORS:
                pass

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _pause_s(self, failures: int) -> float:
        bound = min(self.broker.longest_pause_s, self.broker.first_pause_s * 2 ** min(failures, 20))
        return random.uniform(bound / 2, bound)
