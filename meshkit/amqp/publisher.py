"""Publishing with a confirm for every message: a connection of its own, which consumers' traffic can't hold up."""

import asyncio
from collections.abc import Callable
from typing import cast

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq import Channel

from meshkit import failpoints
from meshkit.amqp.link import BROKER_ERRORS, Broker, GiveUp, Link
from meshkit.amqp.topology import Topology
from meshkit.outbox.limit import Expired, TimeLimit
from meshkit.telemetry import counter

PUBLISHED = counter("groundline_amqp_published_total", "Publications, by what the broker said.", ["outcome"])


class NotPublished(Exception):
    """The broker has not confirmed the message; it may have it all the same. The text is a constant reason."""


class Publisher:
    """Publishes while its connection stands, and refuses at once while it doesn't."""

    def __init__(self, broker: Broker, topology: Topology, *, name: str, opened: Callable[[], None]) -> None:
        """`opened` is told whenever publishing becomes possible."""
        self._limit = TimeLimit(broker.operation_timeout_s)
        self._opened = opened
        self._channel: Channel | None = None
        self._give_up: GiveUp = lambda: None
        self._link = Link(broker, topology, f"{name} publisher", prepare=self._prepare, lost=self._lost)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection to publish on."""
        return self._channel is not None

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
        channel, give_up = self._channel, self._give_up
        if channel is None:
            raise NotPublished("not connected")
        # Not by an exchange's `publish`, in which each message waits until the one before has left the process. What
        # may be under way is bounded by who publishes, and what counts is the broker's word.
        sent = channel.basic_publish(
            message.body,
            exchange=exchange,
            routing_key=routing_key,
            properties=message.properties,
            mandatory=True,
            wait=False,
        )
        try:
            await self._limit.run(sent)
        except PublishError:
            # No queue took it: somebody removed one. A new connection declares what is missing.
            give_up()
            raise NotPublished("unroutable") from None
        except DeliveryError:
            raise NotPublished("refused") from None
        except Expired:
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
        # The abstract one doesn't know `wait`.
        self._channel = cast(Channel, await channel.get_underlay_channel())
        self._opened()

    def _lost(self) -> None:
        self._channel = None
