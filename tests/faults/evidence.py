"""What the database holds about the conversations of one experiment, read once all is quiet."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

_PENDING = """
select type, idempotency_key, attempts, coalesce(last_error, '') as last_error
from messaging.outbox where status = 'pending' order by outbox_id
"""
_DEAD = """
select type, idempotency_key, attempts, coalesce(last_error, '') as last_error, ordering_key
from messaging.outbox where status = 'dead' order by outbox_id
"""
_HELD = "select count(*) from conversation.leases where holder <> '' and expires_at > clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the chain."""

    message_id: str
    session_id: str
    sequence: int
    role: str
    content: str
    in_reply_to: str | None
    source_comment_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a conversation; `payload` is its protobuf JSON."""

    session_id: str
    type: str
    payload: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket. `transcript` holds the ids of the messages that it shows."""

    ticket_id: str
    session_id: str
    status: str
    request_id: str | None
    transcript: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """A comment of a ticket."""

    comment_id: str
    ticket_id: str
    author_type: str
    body: str
    source_message_id: str | None
    created_at: datetime


@dataclass(slots=True)
class Evidence:
    """All rows of an experiment."""

    sessions: dict[str, str | None] = field(default_factory=dict)
    """Session to its ticket."""
    messages: list[Said] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)
    tickets: list[Opened] = field(default_factory=list)
    comments: list[Noted] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    """The ticket of each case."""
    documents: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Document to its version, the version that is found, the chunks it should have and the chunks it has."""
    unfinished: list[str] = field(default_factory=list)
    """Commands that were not done when patience ended, or are dead."""


async def quiet(conn: asyncpg.Connection, timeout_s: float) -> float | None:
    """Waits until no command is pending and nobody holds a conversation; the seconds that took, None if it was too
    long."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        if not await conn.fetch(_PENDING) and not await conn.fetchval(_HELD):
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    return None


async def gather(conn: asyncpg.Connection, sessions: Sequence[str], documents: Sequence[str]) -> Evidence:
    """Everything about these conversations and documents."""
    ids = [UUID(each) for each in sessions]
    found = Evidence()
    for row in await conn.fetch(_PENDING):
        found.unfinished.append(f"pending {row['type']} {row['idempotency_key']} {row['last_error']}")
    for row in await conn.fetch(_DEAD):
        if row["ordering_key"] is None or row["ordering_key"] in ids:
            found.unfinished.append(f"dead {row['type']} {row['idempotency_key']} {row['last_error']}")
    rows = await conn.fetch(
        "select session_id, ticket_id from conversation.sessions where session_id = any ($1::uuid[])", ids
    )
    found.sessions = {str(row["session_id"]): _text(row["ticket_id"]) for row in rows}
    for row in await conn.fetch(
        """
        select message_id::text, session_id::text, sequence, role, content, in_reply_to::text, source_comment_id::text,
            created_at
        from conversation.messages where session_id = any ($1::uuid[]) order by session_id, sequence
        """,
        ids,
    ):
        found.messages.append(Said(**row))
    for row in await conn.fetch(
        """
        select session_id::text, type, payload_json::text as payload, created_at
        from conversation.events where session_id = any ($1::uuid[]) order by event_id
        """,
        ids,
    ):
        found.events.append(Happened(**{**row, "payload": json.loads(row["payload"])}))
    for row in await conn.fetch(
        """
        select ticket_id::text, session_id::text, status, request_id,
            array(select each ->> 'message_id' from jsonb_array_elements(transcript_json) each) as transcript
        from ticketing.tickets where session_id = any ($1::uuid[]) order by ticket_id
        """,
        ids,
    ):
        found.tickets.append(Opened(**{**row, "transcript": tuple(row["transcript"])}))
    for row in await conn.fetch(
        """
        select comment_id::text, ticket_id::text, author_type, body, source_message_id::text, c.created_at
        from ticketing.ticket_comments c join ticketing.tickets t using (ticket_id)
        where t.session_id = any ($1::uuid[]) order by comment_id
        """,
        ids,
    ):
        found.comments.append(Noted(**row))
    found.cases = [
        row[0]
        for row in await conn.fetch(
            "select ticket_id::text from knowledge.case_summaries where session_id = any ($1::uuid[])", ids
        )
    ]
    for row in await conn.fetch(
        """
        select doc_id::text, version, indexed_version, chunk_count,
            (select count(*) from knowledge.doc_chunks c where c.doc_id = d.doc_id) as chunks
        from knowledge.documents d where doc_id = any ($1::uuid[])
        """,
        [UUID(each) for each in documents],
    ):
        found.documents[row["doc_id"]] = (row["version"], row["indexed_version"], row["chunk_count"], row["chunks"])
    return found


def _text(value: UUID | None) -> str | None:
    return str(value) if value is not None else None
