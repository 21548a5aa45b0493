"""From the outbox to the broker: which rows are published, and that no more are under way than the window holds."""

import random
import time
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from meshkit.amqp.envelope import seal
from meshkit.amqp.publisher import NotPublished, Publisher
from meshkit.amqp.topology import Topology
from meshkit.outbox import rows
from meshkit.outbox.handling import Dead, MessageClass
from meshkit.outbox.road import Carried, Forwarded, Undelivered
from meshkit.outbox.rows import Claimed, payload
from meshkit.postgres import Connection, Database

# How often the table is asked, at most, what became of the commands that are under way.
_ASK_EVERY_S = 0.1


class AmqpRoad:
    """Publishes a claimed command. The lease that it is claimed under goes with the message."""

    def __init__(
        self, publisher: Publisher, topology: Topology, commands: Mapping[str, MessageClass], *, longest_pause_s: float
    ) -> None:
        """`commands` are the payloads' classes by type; `longest_pause_s` bounds the wait after a refusal."""
        self._publisher = publisher
        self._topology = topology
        self._commands = commands
        self._longest_pause_s = longest_pause_s
        self._refusals = 0

    async def carry(self, claimed: Claimed, *, max_attempts: int) -> Carried:
        """Forwarded once the broker has confirmed the message, Undelivered if it hasn't."""
        try:
            command = payload(claimed, self._commands[claimed.type])
        except ValueError as exc:
            return Dead(str(exc))
        message = seal(
            claimed, command.SerializeToString(), attempt=claimed.attempts + 1, publication=claimed.lease_token
        )
        try:
            await self._publisher.publish(message, self._topology.commands, self._topology.families[claimed.type])
        except NotPublished as exc:
            self._refusals += 1
            return Undelivered(f"broker: {exc}", self._pause_s())
        self._refusals = 0
        return Forwarded()

    def _pause_s(self) -> float:
        bound = min(self._longest_pause_s, 0.25 * 2 ** min(self._refusals, 20))
        return random.uniform(bound / 2, bound)


class Window:
    """The outbox as a source for publishing: due rows, but never more of a type under way than `size`.

    The backlog so stays in the table, where it is cheap, ordered and counted; and the messages of a queue are handled
    long before they would be published again. Closed while the publisher is.
    """

    def __init__(self, database: Database, publisher: Publisher, *, size: int, republish_after_s: float) -> None:
        self._db = database
        self._publisher = publisher
        self._size = size
        self._republish_after_s = republish_after_s
        self._under_way: dict[UUID, tuple[str, float]] = {}
        self._count: Counter[str] = Counter()
        self._asked = 0.0

    def settled(self, outbox_id: UUID) -> None:
        """A consumer in this process has settled the command; of others the table is asked."""
        if outbox_id in self._under_way:
            type, _ = self._under_way.pop(outbox_id)
            self._count[type] -= 1

    async def claim(self, free: Mapping[str, int], *, lease_s: float) -> list[Claimed]:
        """Claims without counting an attempt: that begins where the handler runs."""
        if not self._publisher.is_open:
            return []
        async with self._db.connection() as conn:
            if any(count == 0 for count in self._room(free).values()):
                await self._forget_settled(conn)
            return await rows.claim(conn, self._room(free), lease_s=lease_s, counts=False)

    def at_most(self, type: str, free: int) -> int:
        """As many as the window has room for."""
        return self._room({type: free})[type]

    async def retry(self, conn: Connection, claimed: Claimed, *, error: str, after_s: float) -> bool:
        """Publishing has no attempts to repeat; given for completeness."""
        return await rows.retry(conn, claimed, error=error, after_s=after_s)

    async def ended(self, claimed: Claimed, outcome: Carried | None) -> None:
        """A published command is under way until it is settled, or due to be published again."""
        if isinstance(outcome, Forwarded):
            if claimed.outbox_id not in self._under_way:
                self._count[claimed.type] += 1
            self._under_way[claimed.outbox_id] = (claimed.type, time.monotonic() + self._republish_after_s)

    def _room(self, free: Mapping[str, int]) -> dict[str, int]:
        return {type: max(0, min(count, self._size - self._count[type])) for type, count in free.items()}

    async def _forget_settled(self, conn: Connection) -> None:
        now = time.monotonic()
        if now - self._asked < _ASK_EVERY_S:
            return
        self._asked = now
        pending = await rows.still_pending(conn, list(self._under_way))
        self._under_way = {
            outbox_id: (type, until)
            for outbox_id, (type, until) in self._under_way.items()
            if outbox_id in pending and until > now
        }
        self._count = Counter(type for type, _ in self._under_way.values())
