"""What the outside is told of conversations, if it asked: identifiers and reasons, nobody's words."""

from groundline.commands.v1 import commands_pb2
from groundline.orchestration.v1 import event_pb2 as record
from groundline.webhooks.v1 import event_pb2
from meshkit.outbox.announcing import announce
from meshkit.postgres import Connection
from svc_orchestrator.store import NewMessage


async def announce_escalation(conn: Connection, event: record.Event, *, ticket_id: str | None = None) -> None:
    """A person is needed. In the transaction that writes `event`, as the others here."""
    told = _event(event, event_pb2.EVENT_TYPE_SESSION_ESCALATED)
    told.session.session_id = event.session_id
    told.session.reason = event.escalation.reason
    if ticket_id:
        told.session.ticket_id = ticket_id
    await _put(conn, told)


async def announce_resolution(conn: Connection, event: record.Event) -> None:
    """The conversation is over."""
    told = _event(event, event_pb2.EVENT_TYPE_SESSION_RESOLVED)
    told.session.session_id = event.session_id
    if event.resolution.ticket_id:
        told.session.ticket_id = event.resolution.ticket_id
    await _put(conn, told)


async def announce_answer(conn: Connection, event: record.Event, message: NewMessage) -> None:
    """A customer got an answer."""
    told = _event(event, event_pb2.EVENT_TYPE_MESSAGE_ANSWERED)
    told.message.message_id = str(message.message_id)
    told.message.session_id = event.session_id
    told.message.in_reply_to = str(message.in_reply_to)
    await _put(conn, told)


def _event(event: record.Event, type: event_pb2.EventType.ValueType) -> event_pb2.Event:
    told = event_pb2.Event(event_id=event.event_id, type=type)
    told.occurred_at.GetCurrentTime()
    return told


async def _put(conn: Connection, event: event_pb2.Event) -> None:
    await announce(
        conn,
        commands_pb2.PublishEvent(event=event),
        type="publish_event",
        key=f"event:{event.event_id}",
        event_type=event_pb2.EventType.Name(event.type).removeprefix("EVENT_TYPE_").lower(),
    )
