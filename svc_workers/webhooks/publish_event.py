"""An event, for whoever asked to be told."""

from uuid import UUID

from google.protobuf import json_format

from groundline.commands.v1 import commands_pb2 as commands
from groundline.webhooks.v1 import event_pb2
from meshkit import outbox
from meshkit.ids import new_id
from meshkit.outbox import Attempt, Done, Handler, Outcome
from meshkit.postgres import Database
from svc_workers.webhooks import store

EVENT_PREFIX = "EVENT_TYPE_"


class PublishEvent(Handler[commands.PublishEvent]):
    """Writes a delivery and its command for each endpoint that wants the event, in one commit; twice adds nothing."""

    type, command = "publish_event", commands.PublishEvent
    timeout_s, concurrency = 30.0, 4

    def __init__(self, database: Database) -> None:
        self._db = database

    async def handle(self, command: commands.PublishEvent, attempt: Attempt) -> Outcome:
        """Deliveries have no order among each other: one slow endpoint would hold the others up."""
        event = command.event
        event_json = json_format.MessageToDict(event, preserving_proto_field_name=True)
        async with self._db.transaction() as conn:
            for endpoint_id in await store.endpoints_wanting(conn, event_name(event.type)):
                delivery_id = new_id()
                if await store.insert_delivery(conn, delivery_id, endpoint_id, UUID(event.event_id), event_json):
                    await outbox.put(
                        conn,
                        commands.DeliverWebhook(delivery_id=str(delivery_id)),
                        type="deliver_webhook",
                        key=f"webhook:{endpoint_id}:{event.event_id}",
                    )
        return Done()


def event_name(type: event_pb2.EventType.ValueType) -> str:
    """A type as the tables hold it. A newer writer's type, unknown here, is nobody's wish."""
    if type not in event_pb2.EventType.values():
        return ""
    return event_pb2.EventType.Name(type).removeprefix(EVENT_PREFIX).lower()
