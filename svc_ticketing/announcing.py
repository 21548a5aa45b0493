"""What the outside is told of tickets, if it asked: identifiers, states and reasons, nobody's words."""

from groundline.commands.v1 import commands_pb2
from groundline.evaluation.v1 import reason_code_pb2
from groundline.ticketing.v1 import ticketing_pb2
from groundline.webhooks.v1 import event_pb2
from meshkit.ids import new_id
from meshkit.outbox.announcing import announce
from meshkit.postgres import Connection
from svc_ticketing.model import Ticket


async def announce_created(conn: Connection, ticket: Ticket) -> None:
    """A ticket was made. In the transaction that makes it."""
    await _announce(conn, ticket, event_pb2.EVENT_TYPE_TICKET_CREATED)


async def announce_updated(conn: Connection, ticket: Ticket) -> None:
    """A ticket is now as given. In the transaction that changes it."""
    await _announce(conn, ticket, event_pb2.EVENT_TYPE_TICKET_UPDATED)


async def _announce(conn: Connection, ticket: Ticket, type: event_pb2.EventType.ValueType) -> None:
    event = event_pb2.Event(
        event_id=str(new_id()),
        type=type,
        ticket=event_pb2.TicketSubject(
            ticket_id=str(ticket.ticket_id),
            session_id=str(ticket.session_id),
            status=ticketing_pb2.TicketStatus.Value(f"TICKET_STATUS_{ticket.status.upper()}"),
            priority=ticketing_pb2.TicketPriority.Value(f"TICKET_PRIORITY_{ticket.priority.upper()}"),
            reason=reason_code_pb2.ReasonCode.Value(f"REASON_CODE_{ticket.escalation_reason}"),
            etag=ticket.etag,
        ),
    )
    event.occurred_at.GetCurrentTime()
    await announce(
        conn,
        commands_pb2.PublishEvent(event=event),
        type="publish_event",
        key=f"event:{event.event_id}",
        event_type=event_pb2.EventType.Name(type).removeprefix("EVENT_TYPE_").lower(),
    )
