"""Which road the commands take to their handlers, and what runs in a worker for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshkit.amqp import Broker, RoadPace, Traffic
from meshkit.background import Background
from meshkit.outbox import EmbeddedRoad, Handler, Relay
from meshkit.outbox.relay import Pace
from meshkit.postgres import Database
from svc_workers.settings import WorkerSettings

# Each family of commands has a queue of its own on the amqp road, so that no other family waits behind its backlog.
FAMILIES: Mapping[str, str] = {
    "advance_session": "conversation",
    "mirror_reply": "conversation",
    "resolve_session": "conversation",
    "take_over_session": "conversation",
    "create_ticket": "ticketing",
    "add_ticket_comment": "ticketing",
    "resolve_ticket": "ticketing",
    "summarize_case": "knowledge",
    "ingest_document": "knowledge",
    "index_case": "knowledge",
    "reindex_passages": "reindexing",
    "drop_vectors": "reindexing",
    "publish_event": "webhooks",
    "deliver_webhook": "webhooks",
}


@dataclass(frozen=True, slots=True)
class OpenRoad:
    """What carries a worker's commands. `wake` makes it look at the outbox; `backgrounds` are its loops."""

    wake: Callable[[str], None]
    backgrounds: Sequence[Background]


def open_road(database: Database, handlers: Sequence[Handler[Any]], settings: WorkerSettings, name: str) -> OpenRoad:
    """The road of the settings, for these handlers. Raises ValueError if a needed setting is missing."""
    pace = Pace(
        poll_interval_s=settings.poll_interval_s,
        lease_s=settings.command_lease_s,
        max_attempts=settings.max_attempts,
        drain_s=min(settings.drain_timeout_s, 10.0),
    )
    road: Relay | Traffic
    if settings.road == "embedded":
        road = Relay(database, EmbeddedRoad({each.type: each for each in handlers}, worker=name), handlers, pace=pace)
    else:
        if settings.amqp_url is None:
            raise ValueError("GROUNDLINE_AMQP_URL is not set, and GROUNDLINE_ROAD is amqp")
        road = Traffic(
            database,
            handlers,
            Broker(
                settings.amqp_url.get_secret_value(),
                heartbeat_s=settings.amqp_heartbeat_s,
                operation_timeout_s=settings.amqp_timeout_s,
            ),
            families=FAMILIES,
            worker=name,
            pace=RoadPace(pace, settings.amqp_window, settings.amqp_republish_after_s),
        )
    return OpenRoad(road.wake, [Background("relay", road.run), Background("measure", road.measure)])
