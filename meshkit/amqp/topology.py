"""The exchanges and queues of the road: what they are called, and that they are there.

    commands (direct) ── family ──▶ commands.<family>     a quorum queue per family of commands
    delay.<ms> (fanout) ──────────▶ delay.<ms>            waits that long, then back to `commands` with its own key
    dead (fanout) ────────────────▶ dead                  what consumers rejected, for people to look at

Names begin with the deployment's prefix. Everything is durable, and declared again on every connection, so that a
broker that was erased is whole again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

# A delay is a queue with one time to live: with a time for each message, one that waits long would hold up the others.
DELAYS_MS: Final = (250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 300_000)
DEAD_MAX_LENGTH: Final = 100_000


@dataclass(frozen=True, slots=True)
class Topology:
    """`families` maps each type of command to the family whose queue it travels in."""

    families: Mapping[str, str]
    prefix: str = "groundline"
    delays_ms: tuple[int, ...] = DELAYS_MS

    @property
    def commands(self) -> str:
        """The exchange to publish to, with the family as routing key."""
        return f"{self.prefix}.commands"

    @property
    def dead(self) -> str:
        """The exchange and the queue of what was rejected."""
        return f"{self.prefix}.dead"

    def queue(self, family: str) -> str:
        """The queue of a family."""
        return f"{self.prefix}.commands.{family}"

    def delay(self, milliseconds: int) -> str:
        """The exchange and the queue of a delay."""
        return f"{self.prefix}.delay.{milliseconds}"

    def delay_for(self, seconds: float) -> int | None:
        """The shortest delay, in milliseconds, that is no shorter than asked for; None if it is beyond all of them."""
        return next((each for each in self.delays_ms if each >= seconds * 1000), None)

    async def declare(self, channel: AbstractChannel) -> None:
        """Makes whatever isn't there. Raises ChannelPreconditionFailed if something stands there that is different."""
        await channel.declare_exchange(self.commands, ExchangeType.DIRECT, durable=True)
        # A full dead-letter queue forgets its oldest: the rows in the outbox are the record.
        await self._queue(channel, self.dead, self.dead, "", {"x-max-length": DEAD_MAX_LENGTH})
        for family in sorted(set(self.families.values())):
            name = self.queue(family)
            await self._queue(channel, self.commands, name, family, {"x-dead-letter-exchange": self.dead})
        for each in self.delays_ms:
            back = {"x-message-ttl": each, "x-dead-letter-exchange": self.commands}
            await self._queue(channel, self.delay(each), self.delay(each), "", back)

    async def probe(self, channel: AbstractChannel) -> None:
        """Asks the broker something that it has to answer."""
        await channel.declare_exchange(self.commands, passive=True)

    async def _queue(
        self, channel: AbstractChannel, exchange: str, name: str, key: str, arguments: Mapping[str, Any]
    ) -> None:
        if exchange != self.commands:
            await channel.declare_exchange(exchange, ExchangeType.FANOUT, durable=True)
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum", **arguments})
        await queue.bind(exchange, key)
