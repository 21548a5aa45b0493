"""What a conversation must do about a change of its ticket: the very command that the event would have been."""

from datetime import UTC
from typing import NamedTuple
from uuid import UUID

from google.protobuf.message import Message

from groundline.commands.v1 import commands_pb2 as commands
from groundline.ticketing.v1 import ticketing_pb2 as pb

UNKNOWN = "unknown"
MAX_NAME = 256


class Following(NamedTuple):
    """A command and its key, which is the event's: whichever comes second finds it there."""

    type: str
    command: Message
    key: str
    session_id: UUID


def following(change: pb.TicketChange) -> Following | None:
    """What is to be done in the conversation; None where the change is nothing to it."""
    session_id, ticket_id = change.session_id, change.ticket_id
    if change.WhichOneof("change") == "reply":
        reply = change.reply
        mirror = commands.MirrorReply(
            session_id=session_id,
            ticket_id=ticket_id,
            comment_id=reply.comment_id,
            author_name=reply.author[:MAX_NAME],
            body=reply.body,
        )
        return Following("mirror_reply", mirror, f"reply:{reply.comment_id}", UUID(session_id))
    standing = change.standing
    if standing.HasField("resolved_by"):
        resolve = commands.ResolveSession(
            session_id=session_id, ticket_id=ticket_id, resolved_by=standing.resolved_by[:MAX_NAME] or UNKNOWN
        )
        resolve.resolved_at.CopyFrom(standing.resolved_at)
        key = f"resolve-session:{ticket_id}:{standing.resolved_at.ToDatetime(UTC).isoformat()}"
        return Following("resolve_session", resolve, key, UUID(session_id))
    if standing.status in (pb.TICKET_STATUS_OPEN, pb.TICKET_STATUS_PENDING) and standing.HasField("opened_by"):
        take_over = commands.TakeOverSession(session_id=session_id, ticket_id=ticket_id)
        take_over.opened_at.CopyFrom(standing.opened_at)
        key = f"take-over:{ticket_id}:{standing.opened_at.ToDatetime(UTC).isoformat()}"
        return Following("take_over_session", take_over, key, UUID(session_id))
    return None
