"""Commands that tell the outside of something, written only if anybody asked to be told."""

from google.protobuf import json_format
from google.protobuf.message import Message

from meshkit.call import current_activity
from meshkit.ids import new_id
from meshkit.postgres import Connection, load_queries

_queries = load_queries("meshkit.outbox", "announcing.sql")


async def announce(conn: Connection, command: Message, *, type: str, key: str, event_type: str) -> bool:
    """Adds a command in the caller's transaction, once by `key`; False if no endpoint wants `event_type`.

    One round trip. Such commands have no order among each other or with others: what is outside may be slow.
    """
    payload = json_format.MessageToJson(command, preserving_proto_field_name=True, indent=None)
    activity = current_activity()
    trace_context = activity.traceparent if activity and activity.traceparent else None
    row = await conn.fetchval(_queries.announce, new_id(), type, payload, key, event_type, trace_context)
    return row is not None
