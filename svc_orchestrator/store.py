"""The orchestrator's rows. Functions take a connection, so that the caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from google.protobuf import json_format

from groundline.orchestration.v1 import event_pb2
from meshkit.postgres import Connection, load_queries

queries = load_queries(__package__)

# A customer who sends more than this at once is answered in several turns.
MAX_BURST = 50
EVENT_TYPES = {
    "turn": event_pb2.EVENT_TYPE_TURN,
    "escalated": event_pb2.EVENT_TYPE_ESCALATED,
    "resolved": event_pb2.EVENT_TYPE_RESOLVED,
    "reopened": event_pb2.EVENT_TYPE_REOPENED,
    "agent_replied": event_pb2.EVENT_TYPE_AGENT_REPLIED,
    "ticket_attached": event_pb2.EVENT_TYPE_TICKET_ATTACHED,
}
EVENT_NAMES = {value: name for name, value in EVENT_TYPES.items()}


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A conversation as stored."""

    session_id: UUID
    channel: str
    customer_id: str | None
    customer_groups: list[str]
    knowledge_base: str
    status: str
    ticket_id: UUID | None
    escalation_reason: str | None
    escalation_event_id: UUID | None
    summary_current: str
    context_after_sequence: int


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as stored. `kind` is `clarifying_question` for one, else ""."""

    message_id: UUID
    sequence: int
    role: str
    content: str
    created_at: datetime
    kind: str = ""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to add to the chain."""

    message_id: UUID
    role: str
    content: str
    metadata: dict[str, Any]
    in_reply_to: UUID | None = None
    source_comment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a session. `failed_turns`: turns in a row before this one that ended without a result."""

    session_id: UUID
    token: int
    failed_turns: int


async def acquire_lease(conn: Connection, session_id: UUID, holder: str, lease_s: float) -> Lease | None:
    """Takes a session; None if it is held, or if there is none."""
    row = await conn.fetchrow(queries.acquire_lease, session_id, holder, lease_s)
    return Lease(session_id, row["token"], row["failed_turns"]) if row else None


async def renew_lease(conn: Connection, lease: Lease, lease_s: float) -> bool:
    """Prolongs a lease; False if it is lost."""
    return await conn.fetchval(queries.renew_lease, lease.session_id, lease.token, lease_s) is not None


async def release_lease(conn: Connection, lease: Lease, *, failed: bool) -> None:
    """Gives the session back; `failed` counts this turn as one without a result."""
    await conn.execute(queries.release_lease, lease.session_id, lease.token, int(failed))


async def hold_lease(conn: Connection, lease: Lease) -> bool:
    """In a transaction: keeps the lease from passing to another until the end of it; False if it has."""
    return await conn.fetchval(queries.hold_lease, lease.session_id, lease.token) is not None


async def read_session(conn: Connection, session_id: UUID, *, lock: bool = False) -> SessionRow | None:
    """A conversation, or None; with `lock`, nobody else changes it until the transaction ends."""
    row = await conn.fetchrow(queries.lock_session if lock else queries.read_session, session_id)
    return SessionRow(**row) if row else None


async def unhandled_messages(conn: Connection, session_id: UUID) -> list[MessageRow]:
    """What a customer said and nobody has handled, in order; at most MAX_BURST."""
    return [MessageRow(**row) for row in await conn.fetch(queries.unhandled_messages, session_id, MAX_BURST)]


async def recent_messages(conn: Connection, session: SessionRow, limit: int) -> list[MessageRow]:
    """The latest messages of the present context, oldest first."""
    rows = await conn.fetch(queries.recent_messages, session.session_id, session.context_after_sequence, limit)
    return [MessageRow(**row) for row in rows]


async def append_message(
    conn: Connection, session_id: UUID, message: NewMessage, *, status: str | None = None
) -> int | None:
    """Adds a message and returns its place; None if the session has another status, or the comment is there already."""
    place: int | None = await conn.fetchval(
        queries.append_message,
        session_id,
        message.message_id,
        message.role,
        message.content,
        message.metadata,
        message.in_reply_to,
        message.source_comment_id,
        status,
    )
    return place


async def message_by_comment(conn: Connection, comment_id: UUID) -> UUID | None:
    """The message that a comment became, or None."""
    found: UUID | None = await conn.fetchval(queries.message_by_comment, comment_id)
    return found


async def mark_handled(conn: Connection, message_ids: Sequence[UUID], event_id: UUID) -> None:
    """These messages have their outcome."""
    await conn.execute(queries.mark_handled, list(message_ids), event_id)


async def mark_escalated(
    conn: Connection, session_id: UUID, reason: str, event_id: UUID, ticket_id: UUID | None = None
) -> None:
    """A person takes over; the ticket of an earlier escalation is forgotten."""
    await conn.execute(queries.mark_escalated, session_id, reason, event_id, ticket_id)


async def set_summary(conn: Connection, session_id: UUID, summary: str) -> None:
    """Keeps the conversation in a few lines."""
    await conn.execute(queries.set_summary, session_id, summary)


async def follow(conn: Connection, session_id: UUID, at: datetime | None) -> bool:
    """Notes that the conversation follows what happened to a ticket then (None: what its customer does now); False if
    something later was followed already."""
    return await conn.fetchval(queries.follow, session_id, at) is not None


async def insert_event(conn: Connection, event: event_pb2.Event) -> None:
    """Writes an event down."""
    payload = json_format.MessageToDict(event, preserving_proto_field_name=True)
    await conn.execute(
        queries.insert_event, UUID(event.event_id), UUID(event.session_id), EVENT_NAMES[event.type], payload
    )


async def list_events(conn: Connection, session_id: UUID, after: UUID | None, limit: int) -> list[event_pb2.Event]:
    """A conversation's record after an event, oldest first."""
    return [_to_event(row) for row in await conn.fetch(queries.list_events, session_id, after, limit)]


async def read_event(conn: Connection, event_id: UUID) -> event_pb2.Event | None:
    """One event, or None."""
    row = await conn.fetchrow(queries.read_event, event_id)
    return _to_event(row) if row else None


async def list_turns(
    conn: Connection, since: datetime | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[event_pb2.Event]:
    """All conversations' turns since a time and after an event (its time and id), oldest first."""
    moment, event_id = after or (None, None)
    return [_to_event(row) for row in await conn.fetch(queries.list_turns, since, moment, event_id, limit)]


def _to_event(row: Any) -> event_pb2.Event:
    # Unknown fields are of a newer writer: a reader of the record must not fail on them.
    event = json_format.ParseDict(row["payload_json"], event_pb2.Event(), ignore_unknown_fields=True)
    event.created_at.FromDatetime(row["created_at"])
    return event


async def notify_session(conn: Connection, session_id: UUID) -> None:
    """Wakes whoever follows the session, once the transaction commits."""
    await conn.execute(queries.notify_session, str(session_id))
