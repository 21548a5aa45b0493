"""Publishing with a confirm for every message: a connection of its own, which consumers' traffic can't hold up."""

import asyncio
from collections.abc import Callable

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError

from meshkit import failpoints
from meshkit.amqp.link import BROKER_ERRORS, Broker, GiveUp, Link
from meshkit.amqp.topology import Topology
from meshkit.telemetry import counter

PUBLISHED = counter("groundline_amqp_published_total", "Publications, by what the broker said.", ["outcome"])


class NotPublished(Exception):
    """The broker has not confirmed the message; it may have it all the same. The text is a constant reason."""


class Publisher:
    """Publishes while its connection stands, and refuses at once while it doesn't."""

    def __init__(self, broker: Broker, topology: Topology, *, name: str, opened: Callable[[], None]) -> None:
        """`opened` is told whenever publishing becomes possible."""
        self._topology = topology
        self._timeout_s = broker.operation_timeout_s
        self._opened = opened
        self._exchanges: dict[str, AbstractExchange] = {}
        self._give_up: GiveUp = lambda: None
        self._link = Link(broker, topology, f"{name} publisher", prepare=self._prepare, lost=self._exchanges.clear)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection to publish on."""
        return bool(self._exchanges)

    async def run(self) -> None:
        """Keeps the connection, until cancelled."""
        await self._link.run()

    async def publish(self, message: aio_pika.Message, exchange: str, routing_key: str) -> None:
        """Returns once the broker has the message in a queue. Raises NotPublished otherwise, within a bound."""
        if failpoints.ON:
            await failpoints.reach("amqp.publish.before")
        try:
            await self._publish(message, exchange, routing_key)
        except NotPublished as exc:
            PUBLISHED.labels(str(exc)).inc()
            raise
        PUBLISHED.labels("confirmed").inc()
        if failpoints.ON:
            await failpoints.reach("amqp.publish.confirmed")

    async def _publish(self, message: aio_pika.Message, exchange: str, routing_key: str) -> None:
        target, give_up = self._exchanges.get(exchange), self._give_up
        if target is None:
            raise NotPublished("not connected")
        try:
            async with asyncio.timeout(self._timeout_s):
                await target.publish(message, routing_key, mandatory=True)
        except PublishError:
            # No queue took it: somebody removed one. A new connection declares what is missing.
            give_up()
            raise NotPublished("unroutable") from None
        except DeliveryError:
            raise NotPublished("refused") from None
        except TimeoutError:
            give_up()
            raise NotPublished("not confirmed in time") from None
        except BROKER_ERRORS:
            raise NotPublished("connection lost") from None
        except asyncio.CancelledError:
            # aiormq cancels what waits on a connection that closes; our own cancellation is another matter.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise NotPublished("connection lost") from None

    async def _prepare(self, connection: AbstractConnection, give_up: GiveUp) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        # A closed channel is as bad as a closed connection.
        channel.close_callbacks.add(give_up)
        self._give_up = give_up
        for name in self._topology.exchanges:
            self._exchanges[name] = await channel.get_exchange(name, ensure=False)
        self._opened()
