"""From the broker to the handlers: deliveries become attempts under a lease of their row, and are acknowledged after.

Every wish of the broker is checked against the row. A message for a command that is done, dead or in somebody else's
hands is dropped; one lost on its way is published again. So a duplicate, a late or a forged message changes nothing.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from meshkit import failpoints
from meshkit.amqp.envelope import copy_suspect, is_suspect, open_message, seal
from meshkit.amqp.link import BROKER_ERRORS, Broker, GiveUp, Link
from meshkit.amqp.publisher import NotPublished, Publisher
from meshkit.amqp.topology import Topology
from meshkit.outbox import rows
from meshkit.outbox.handling import Dead, Retry
from meshkit.outbox.limit import Expired, TimeLimit
from meshkit.outbox.road import Carried
from meshkit.outbox.rows import Busy, Claimed, Delivered
from meshkit.postgres import Connection, Database
from meshkit.telemetry import counter, get_logger

log = get_logger(__name__)

DROPPED = counter("groundline_amqp_dropped_total", "Messages that were not handled, by reason.", ["reason"])


@dataclass(slots=True)
class _Delivery:
    message: AbstractIncomingMessage
    command: Delivered
    delay_ms: int | None = None
    """Where its next attempt waits, once this one is over."""


class Intake:
    """A source of commands for a relay that runs handlers. `wake` and `settled` are set before `run`."""

    def __init__(
        self,
        broker: Broker,
        topology: Topology,
        database: Database,
        publisher: Publisher,
        *,
        name: str,
        prefetch: Mapping[str, int],
        republish_after_s: float,
    ) -> None:
        """`prefetch` is how many messages of each family's queue may be here without an acknowledgement."""
        self._topology = topology
        self._db = database
        self._publisher = publisher
        self._prefetch = prefetch
        self._republish_after_s = republish_after_s
        self._limit = TimeLimit(broker.operation_timeout_s)
        self._waiting: defaultdict[str, deque[_Delivery]] = defaultdict(deque)
        self._suspects: deque[_Delivery] = deque()
        self._taken: dict[UUID, _Delivery] = {}
        self._suspect: UUID | None = None
        self._link = Link(broker, topology, f"{name} consumer", prepare=self._consume, lost=self._lost)
        self.wake: Callable[[], None] = lambda: None
        self.settled: Callable[[UUID], None] = lambda _: None

    async def run(self) -> None:
        """Keeps the connection and receives, until cancelled."""
        await self._link.run()

    async def _consume(self, connection: AbstractConnection, give_up: GiveUp) -> None:
        for family, prefetch in self._prefetch.items():
            channel = await connection.channel(publisher_confirms=False)
            channel.close_callbacks.add(give_up)
            underlying = await channel.get_underlay_channel()
            # The broker ends a consumer whose queue is deleted or loses its leader.
            underlying.on_consumer_cancel_callbacks.add(give_up)
            await channel.set_qos(prefetch_count=prefetch)
            queue = await channel.get_queue(self._topology.queue(family), ensure=False)
            await queue.consume(self._received)

    def _lost(self) -> None:
        # The broker will deliver these again; those being handled get the new message when it comes.
        self._waiting.clear()
        self._suspects.clear()

    async def _received(self, message: AbstractIncomingMessage) -> None:
        command = open_message(message)
        if command is None or command.type not in self._topology.families:
            # To the dead letters, if anywhere: there is no row to mark.
            log.warning("message_not_ours", queue_key=message.routing_key, type=message.type)
            await self._answer(message, reject=True)
            return
        delivery = _Delivery(message, command)
        self._line(delivery).append(delivery)
        self.wake()

    def _line(self, delivery: _Delivery) -> deque[_Delivery]:
        return self._suspects if is_suspect(delivery.message) else self._waiting[delivery.command.type]

    async def claim(self, free: Mapping[str, int], *, lease_s: float) -> list[Claimed]:
        """Takes the rows of what was delivered, each delivery as an attempt."""
        claimed = await self._take(await self._next(free), lease_s)
        left = Counter(dict(free))
        left.subtract(each.type for each in claimed)
        claimed += await self._take_suspects(left, lease_s)
        if claimed and failpoints.ON:
            await failpoints.reach("amqp.command.taken")
        return claimed

    def at_most(self, type: str, free: int) -> int:
        """As many as were delivered; suspects come one at a time and don't count."""
        return min(free, len(self._waiting[type]))

    async def _take_suspects(self, left: Counter[str], lease_s: float) -> list[Claimed]:
        """One at a time, so that a command which kills its worker doesn't take the same neighbours along each time."""
        claimed: list[Claimed] = []
        for _ in range(len(self._suspects)):
            if self._suspect is not None:
                break
            delivery = self._suspects.popleft()
            type = delivery.command.type
            if left[type] <= 0:
                self._suspects.append(delivery)
                continue
            for each in await self._take(await self._admit([delivery]), lease_s):
                claimed.append(each)
                left[type] -= 1
                if each.attempts > 1:
                    self._suspect = each.outbox_id
        return claimed

    async def _take(self, batch: Mapping[UUID, _Delivery], lease_s: float) -> list[Claimed]:
        if not batch:
            return []
        try:
            async with self._db.connection() as conn:
                found = await rows.take(conn, [each.command for each in batch.values()], lease_s=lease_s)
        except BaseException:
            for each in reversed(list(batch.values())):
                self._line(each).appendleft(each)
            raise
        claimed: list[Claimed] = []
        for outbox_id, delivery in batch.items():
            match found[outbox_id]:
                case Claimed() as mine:
                    self._taken[outbox_id] = delivery
                    claimed.append(mine)
                case Busy(held_s):
                    await self._put_off(delivery, held_s)
                case None:
                    await self._drop(delivery, "settled")
        return claimed

    async def retry(self, conn: Connection, claimed: Claimed, *, error: str, after_s: float) -> bool:
        """The next attempt waits in a delay queue; the table holds it back for as long, and longer should it get lost.

        Delays beyond the longest queue are the table's alone.
        """
        delivery = self._taken[claimed.outbox_id]
        delivery.delay_ms = self._topology.delay_for(after_s)
        if delivery.delay_ms is not None:
            after_s = delivery.delay_ms / 1000 + self._republish_after_s
        return await rows.retry(conn, claimed, error=error, after_s=after_s)

    async def ended(self, claimed: Claimed, outcome: Carried | None) -> None:
        """Acknowledges, after what follows from the attempt is safe; a dead command goes to the dead letters."""
        delivery = self._taken.pop(claimed.outbox_id)
        if self._suspect == claimed.outbox_id:
            self._suspect = None
        if failpoints.ON:
            await failpoints.reach("amqp.ack.before")
        if isinstance(outcome, Retry) and delivery.delay_ms is not None:
            await self._delay(delivery, claimed, delivery.delay_ms)
        await self._answer(delivery.message, reject=isinstance(outcome, Dead))
        if failpoints.ON:
            await failpoints.reach("amqp.ack.after")
        self.settled(claimed.outbox_id)

    async def _next(self, free: Mapping[str, int]) -> dict[UUID, _Delivery]:
        deliveries = [
            waiting.popleft()
            for type, waiting in list(self._waiting.items())
            for _ in range(min(len(waiting), free.get(type, 0)))
        ]
        return await self._admit(deliveries)

    async def _admit(self, deliveries: Iterable[_Delivery]) -> dict[UUID, _Delivery]:
        """Without those whose command is in hand already."""
        batch: dict[UUID, _Delivery] = {}
        for delivery in deliveries:
            outbox_id = delivery.command.outbox_id
            if outbox_id in self._taken:
                # Delivered again after a lost connection, while the handler still runs: this one can be answered.
                older, self._taken[outbox_id].message = self._taken[outbox_id].message, delivery.message
                await self._answer(older)
            elif outbox_id in batch:
                await self._drop(delivery, "duplicate")
            else:
                batch[outbox_id] = delivery
        return batch

    async def _put_off(self, delivery: _Delivery, held_s: float) -> None:
        if held_s == 0:
            # Its row was being changed at this moment; the relay looks again.
            self._line(delivery).append(delivery)
        elif delivery.message.redelivered and (delay_ms := self._topology.delay_for(held_s)) is not None:
            # A consumer vanished with it, and its lease still stands: another try when that has ended.
            await self._delay(delivery, None, delay_ms)
            await self._drop(delivery, "held")
        else:
            await self._drop(delivery, "held")

    async def _delay(self, delivery: _Delivery, claimed: Claimed | None, delay_ms: int) -> None:
        message = delivery.message
        family = self._topology.families[delivery.command.type]
        if claimed is not None:
            again = seal(claimed, delivery.command.body, attempt=claimed.attempts + 1, publication=None)
        else:
            again = copy_suspect(message)
        try:
            await self._publisher.publish(again, self._topology.delay(delay_ms), family)
        except NotPublished as exc:
            # The row comes due by itself.
            log.warning("delay_not_published", type=delivery.command.type, error=str(exc))

    async def _drop(self, delivery: _Delivery, reason: str) -> None:
        DROPPED.labels(reason).inc()
        await self._answer(delivery.message)

    async def _answer(self, message: AbstractIncomingMessage, *, reject: bool = False) -> None:
        try:
            channel, tag = message.channel, message.delivery_tag or 0
            # Nobody waits until it has left the process: one that doesn't is delivered again, and found to be settled.
            if reject:
                await self._limit.run(channel.basic_reject(tag, requeue=False, wait=False))
            else:
                await self._limit.run(channel.basic_ack(tag, wait=False))
        except (Expired, *BROKER_ERRORS) as exc:
            log.info("message_not_acknowledged", error=type(exc).__name__)
