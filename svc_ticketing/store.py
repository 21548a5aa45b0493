"""The tables of the schema `ticketing`. Every function takes a connection, so that the caller owns the transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from meshkit.ids import new_id
from meshkit.postgres import Connection, load_queries
from svc_ticketing.errors import SessionNotFound
from svc_ticketing.model import (
    Attachment,
    Author,
    Comment,
    NewAttachment,
    NewComment,
    NewTicket,
    Priority,
    Standing,
    Status,
    Ticket,
    TicketChange,
    TicketDetails,
    Visibility,
)
from svc_ticketing.repeatable import RequestKey

_queries = load_queries(__package__)


class OpenTicketStands(Exception):
    """The conversation has another ticket that is not resolved; the transaction, or its savepoint, is lost."""


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Which tickets a list shows; None does not filter."""

    status: Status | None = None
    assigned_to: str | None = None
    queue: str | None = None
    session_id: UUID | None = None


async def insert_ticket(conn: Connection, new: NewTicket, request: RequestKey | None) -> Ticket | None:
    """Makes a ticket; None if this request made one before. Raises OpenTicketStands, SessionNotFound."""
    with _one_open_ticket():
        try:
            row = await conn.fetchrow(
                _queries.insert_ticket,
                new_id(),
                new.session_id,
                new.priority,
                list(new.tags),
                new.queue,
                new.escalation_reason,
                new.ai_confidence,
                new.summary,
                new.customer_id,
                new.channel,
                new.knowledge_base,
                new.transcript,
                new.evidence_pack,
                new.refused_draft,
                new.verdict,
                new.opened_by,
                *_request(request),
            )
        except asyncpg.ForeignKeyViolationError as exc:
            if exc.constraint_name != "tickets_session_id_fkey":
                raise
            raise SessionNotFound(session_id=new.session_id) from exc
    return _ticket(row) if row else None


async def get_ticket(conn: Connection, ticket_id: UUID) -> Ticket | None:
    """The ticket with its details."""
    row = await conn.fetchrow(_queries.get_ticket, ticket_id)
    return _ticket(row) if row else None


async def ticket_of_request(conn: Connection, request: RequestKey) -> Ticket | None:
    """What this request made before. Raises RequestIdReused if it had another body."""
    row = await conn.fetchrow(_queries.ticket_of_request, request.owner, request.request_id)
    if row is None:
        return None
    request.check(row["request_sha256"])
    return _ticket(row)


async def open_ticket_of_session(conn: Connection, session_id: UUID) -> UUID | None:
    """The conversation's ticket that is not resolved."""
    found: UUID | None = await conn.fetchval(_queries.open_ticket_of_session, session_id)
    return found


async def lock_ticket(conn: Connection, ticket_id: UUID) -> Ticket | None:
    """The ticket without details, held until the transaction ends."""
    row = await conn.fetchrow(_queries.lock_ticket, ticket_id)
    return _ticket(row) if row else None


async def save_ticket(conn: Connection, ticket: Ticket, *, resolved_by: str | None) -> Ticket:
    """Writes what can be changed of a locked ticket. Raises OpenTicketStands.

    `resolved_by` is whom the conversation must follow if this resolves the ticket; None if it need not.
    """
    with _one_open_ticket():
        row = await conn.fetchrow(
            _queries.save_ticket,
            ticket.ticket_id,
            ticket.status,
            ticket.priority,
            list(ticket.tags),
            ticket.assigned_to,
            ticket.queue,
            ticket.resolution,
            resolved_by,
        )
    assert row is not None  # It is locked, and tickets are never deleted.
    return _ticket(row)


async def touch_ticket(conn: Connection, ticket_id: UUID) -> None:
    """Raises revision and updated_at."""
    await conn.execute(_queries.touch_ticket, ticket_id)


async def set_status(conn: Connection, ticket_id: UUID, status: Status) -> datetime:
    """Sets `open` or `pending` on a locked ticket, and says when it was opened. Raises OpenTicketStands."""
    with _one_open_ticket():
        opened_at: datetime = await conn.fetchval(_queries.set_status, ticket_id, status)
    return opened_at


async def list_tickets(
    conn: Connection, wanted: TicketFilter, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Ticket]:
    """At most `limit` tickets, latest change first, from below (updated_at, ticket_id) `after`."""
    updated_at, ticket_id = after or (None, None)
    rows = await conn.fetch(
        _queries.list_tickets,
        wanted.status,
        wanted.assigned_to,
        wanted.queue,
        wanted.session_id,
        updated_at,
        ticket_id,
        limit,
    )
    return [_ticket(row) for row in rows]


async def ticket_exists(conn: Connection, ticket_id: UUID) -> bool:
    """Whether there is such a ticket."""
    return await conn.fetchval(_queries.ticket_exists, ticket_id) is not None


async def insert_comment(conn: Connection, new: NewComment, request: RequestKey | None) -> Comment | None:
    """Writes a comment; None if this request wrote one before, or the message is mirrored already."""
    row = await conn.fetchrow(
        _queries.insert_comment,
        new_id(),
        new.ticket_id,
        new.author_type,
        new.author,
        new.visibility,
        new.body,
        new.source_message_id,
        *_request(request),
    )
    return _comment(row) if row else None


async def comment_of_request(conn: Connection, request: RequestKey) -> Comment | None:
    """What this request wrote before. Raises RequestIdReused if it had another body."""
    row = await conn.fetchrow(_queries.comment_of_request, request.owner, request.request_id)
    if row is None:
        return None
    request.check(row["request_sha256"])
    return _comment(row)


async def comment_of_message(conn: Connection, message_id: UUID) -> Comment | None:
    """The comment that mirrors the customer's message."""
    row = await conn.fetchrow(_queries.comment_of_message, message_id)
    return _comment(row) if row else None


async def was_answered(conn: Connection, ticket_id: UUID) -> bool:
    """Whether an agent has replied to the customer."""
    return bool(await conn.fetchval(_queries.was_answered, ticket_id))


async def list_comments(conn: Connection, ticket_id: UUID, *, after: UUID | None, limit: int) -> list[Comment]:
    """At most `limit` comments, oldest first, from beyond `after`."""
    return [_comment(row) for row in await conn.fetch(_queries.list_comments, ticket_id, after, limit)]


async def insert_attachment(conn: Connection, new: NewAttachment, request: RequestKey | None) -> Attachment | None:
    """Adds a file; None if this request added one before."""
    row = await conn.fetchrow(
        _queries.insert_attachment,
        new.attachment_id,
        new.ticket_id,
        new.filename,
        new.media_type,
        new.size_bytes,
        new.sha256,
        new.object_key,
        *_request(request),
    )
    return Attachment(**row) if row else None


async def attachment_of_request(conn: Connection, request: RequestKey) -> Attachment | None:
    """What this request added before. Raises RequestIdReused if it had another body."""
    row = await conn.fetchrow(_queries.attachment_of_request, request.owner, request.request_id)
    if row is None:
        return None
    request.check(row["request_sha256"])
    return Attachment(**{name: value for name, value in row.items() if name != "request_sha256"})


async def get_attachment(conn: Connection, ticket_id: UUID, attachment_id: UUID) -> Attachment | None:
    """The file, if it is on that ticket."""
    row = await conn.fetchrow(_queries.get_attachment, ticket_id, attachment_id)
    return Attachment(**row) if row else None


async def list_attachments(conn: Connection, ticket_id: UUID, *, after: UUID | None, limit: int) -> list[Attachment]:
    """At most `limit` files, oldest first, from beyond `after`."""
    return [Attachment(**row) for row in await conn.fetch(_queries.list_attachments, ticket_id, after, limit)]


async def horizon(conn: Connection) -> tuple[datetime, int, int]:
    """The database's time, the oldest transaction that is still open, and the first one not begun by then."""
    row = await conn.fetchrow(_queries.horizon)
    assert row is not None
    return row["now"], row["oldest"], row["following"]


async def list_changes(
    conn: Connection, *, after: tuple[datetime, UUID], until: datetime, limit: int
) -> list[TicketChange]:
    """At most `limit` changes, oldest first, from beyond `after` up to `until`."""
    return [_change(row) for row in await conn.fetch(_queries.list_changes, *after, until, limit)]


@contextmanager
def _one_open_ticket() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name != "tickets_one_open_per_session_key":
            raise
        raise OpenTicketStands from exc


def _request(request: RequestKey | None) -> tuple[str | None, str | None, bytes | None]:
    return (request.owner, request.request_id, request.sha256) if request else (None, None, None)


def _ticket(row: asyncpg.Record) -> Ticket:
    details = None
    if "transcript_json" in row.keys():  # noqa: SIM118 - a record contains values, not names
        details = TicketDetails(
            row["transcript_json"], row["evidence_pack_json"], row["refused_draft_json"], row["verdict_json"]
        )
    return Ticket(
        ticket_id=row["ticket_id"],
        session_id=row["session_id"],
        status=Status(row["status"]),
        priority=Priority(row["priority"]),
        tags=tuple(row["tags"]),
        assigned_to=row["assigned_to"],
        queue=row["queue"],
        escalation_reason=row["escalation_reason"],
        ai_confidence=row["ai_confidence"],
        summary=row["summary"],
        resolution=row["resolution"],
        customer_id=row["customer_id"],
        channel=row["channel"],
        knowledge_base=row["knowledge_base"],
        revision=row["revision"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        opened_at=row["opened_at"],
        resolved_at=row["resolved_at"],
        details=details,
    )


def _comment(row: asyncpg.Record) -> Comment:
    return Comment(
        comment_id=row["comment_id"],
        ticket_id=row["ticket_id"],
        author_type=Author(row["author_type"]),
        author=row["author"],
        visibility=Visibility(row["visibility"]),
        body=row["body"],
        source_message_id=row["source_message_id"],
        created_at=row["created_at"],
    )


def _change(row: asyncpg.Record) -> TicketChange:
    what: Standing | Comment
    if row["body"] is None:
        what = Standing(
            status=Status(row["status"]),
            opened_by=row["opened_by"],
            opened_at=row["opened_at"],
            resolved_by=row["resolved_by"],
            resolved_at=row["resolved_at"],
        )
    else:
        what = Comment(
            comment_id=row["id"],
            ticket_id=row["ticket_id"],
            author_type=Author.AGENT,
            author=row["author"],
            visibility=Visibility.PUBLIC,
            body=row["body"],
            created_at=row["changed_at"],
        )
    return TicketChange(
        changed_at=row["changed_at"],
        id=row["id"],
        ticket_id=row["ticket_id"],
        session_id=row["session_id"],
        what=what,
    )
