"""What a customer says to a person: it goes to the ticket."""

from collections.abc import Sequence

from groundline.commands.v1 import commands_pb2
from meshkit import outbox
from meshkit.postgres import Connection
from svc_orchestrator.store import MessageRow, SessionRow


async def mirror(conn: Connection, session: SessionRow, burst: Sequence[MessageRow]) -> None:
    """Has each message added to the session's ticket, once by the message, in the caller's transaction."""
    for message in burst:
        command = commands_pb2.AddTicketComment(
            session_id=str(session.session_id),
            message_id=str(message.message_id),
            body=message.content,
            ticket_id=str(session.ticket_id) if session.ticket_id else None,
        )
        await outbox.put(
            conn,
            command,
            type="add_ticket_comment",
            key=f"comment:{message.message_id}",
            ordering_key=session.session_id,
        )
