"""The two halves of the road in one process: a relay that publishes what is due, and one that handles what arrives."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from meshkit.amqp.intake import Intake
from meshkit.amqp.link import Broker
from meshkit.amqp.publisher import Publisher
from meshkit.amqp.road import AmqpRoad, Window
from meshkit.amqp.topology import Topology
from meshkit.outbox import EmbeddedRoad, Handler, Relay
from meshkit.outbox.relay import Pace
from meshkit.postgres import Database

# So that a free place finds its next message here; and no family's backlog fills a process.
_PREFETCH_PER_PLACE = 2
_MOST_PREFETCHED = 500


@dataclass(frozen=True, slots=True)
class RoadPace:
    """How a worker waits on this road.

    `window` is how many commands of each type may be published and not settled; a command that is not settled
    `republish_after_s` seconds after it was published is published again.
    """

    pace: Pace = field(default_factory=Pace)
    window: int = 256
    republish_after_s: float = 60.0


class Traffic:
    """A worker on the amqp road. `run` and `measure` are background loops; `wake` makes it look at the outbox."""

    def __init__(
        self,
        database: Database,
        handlers: Sequence[Handler[Any]],
        broker: Broker,
        *,
        families: Mapping[str, str],
        worker: str,
        pace: RoadPace | None = None,
        topology: Topology | None = None,
    ) -> None:
        """`families` has the family of each handler's type. Raises KeyError where one is missing."""
        road_pace = pace or RoadPace()
        by_type = {handler.type: handler for handler in handlers}
        topology = topology or Topology({type: families[type] for type in by_type})
        places: Counter[str] = Counter()
        for handler in handlers:
            places[topology.families[handler.type]] += handler.concurrency * _PREFETCH_PER_PLACE
        self._publisher = Publisher(broker, topology, name=worker, opened=self.wake)
        window = Window(database, self._publisher, size=road_pace.window, republish_after_s=road_pace.republish_after_s)
        commands = {type: handler.command for type, handler in by_type.items()}
        self._outward = Relay(
            database,
            # A refusal is the broker's, not the command's: what it refused comes again as soon as it may be well.
            AmqpRoad(
                self._publisher,
                topology,
                commands,
                longest_pause_s=min(road_pace.pace.backoff_cap_s, broker.longest_pause_s),
            ),
            handlers,
            # The lease of a published command is the time that it has until it is published again.
            pace=replace(road_pace.pace, lease_s=road_pace.republish_after_s),
            source=window,
            places=dict.fromkeys(by_type, road_pace.window),
        )
        self._intake = Intake(
            broker,
            topology,
            database,
            self._publisher,
            name=worker,
            prefetch={family: min(count, _MOST_PREFETCHED) for family, count in places.items()},
            republish_after_s=road_pace.republish_after_s,
        )
        self._inward = Relay(
            database, EmbeddedRoad(by_type, worker=worker), handlers, pace=road_pace.pace, source=self._intake
        )
        self._intake.wake = self._inward.wake

        def settled(outbox_id: Any) -> None:
            window.settled(outbox_id)
            # The next command of its ordering key may be due now.
            self._outward.wake()

        self._intake.settled = settled
        self.measure = self._outward.measure

    def wake(self, payload: str = "") -> None:
        """Looks for due commands now."""
        self._outward.wake(payload)

    async def run(self) -> None:
        """Publishes, receives and handles, until cancelled; attempts in flight may then finish and be acknowledged."""
        links = [asyncio.create_task(each.run()) for each in (self._publisher, self._intake)]
        relays = [asyncio.create_task(each.run()) for each in (self._outward, self._inward)]
        try:
            ended, _ = await asyncio.wait([*links, *relays], return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            # What the relays still finish has to be acknowledged: the connections go last.
            for tasks in (relays, links):
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
