"""What a ticket's conversation must do about it: a command in the transaction of the change, ordered by conversation.

The keys are those of the polling fallback (svc_workers/ticket_sync): a change is followed once, whoever told of it.
"""

from datetime import datetime
from uuid import UUID

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import outbox
from meshkit.identity import Principal
from meshkit.postgres import Connection
from svc_ticketing.model import Comment, Ticket

MAX_AUTHOR_NAME = 256


async def have_taken_over(conn: Connection, session_id: UUID, ticket_id: UUID, opened_at: datetime) -> None:
    """A person works on it: the ticket was opened by one, or opened again."""
    command = commands.TakeOverSession(session_id=str(session_id), ticket_id=str(ticket_id))
    command.opened_at.FromDatetime(opened_at)
    key = f"take-over:{ticket_id}:{opened_at.isoformat()}"
    await outbox.put(conn, command, type="take_over_session", key=key, ordering_key=session_id)


async def have_resolved(conn: Connection, ticket: Ticket, by: Principal) -> None:
    """The ticket was just resolved."""
    assert ticket.resolved_at is not None
    command = commands.ResolveSession(
        session_id=str(ticket.session_id), ticket_id=str(ticket.ticket_id), resolved_by=by.subject
    )
    command.resolved_at.FromDatetime(ticket.resolved_at)
    key = f"resolve-session:{ticket.ticket_id}:{ticket.resolved_at.isoformat()}"
    await outbox.put(conn, command, type="resolve_session", key=key, ordering_key=ticket.session_id)


async def have_mirrored(conn: Connection, ticket: Ticket, reply: Comment) -> None:
    """An agent replied to the customer."""
    command = commands.MirrorReply(
        session_id=str(ticket.session_id),
        ticket_id=str(ticket.ticket_id),
        comment_id=str(reply.comment_id),
        author_name=reply.author[:MAX_AUTHOR_NAME],
        body=reply.body,
    )
    key = f"reply:{reply.comment_id}"
    await outbox.put(conn, command, type="mirror_reply", key=key, ordering_key=ticket.session_id)
