"""The gateway's rows. Functions take a connection, so that the caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from meshkit.postgres import Connection, load_queries
from svc_gateway.errors import KnowledgeBaseNotFound

queries = load_queries(__package__)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A conversation as stored; `revision` rises with every change that a reader should see."""

    session_id: UUID
    channel: str
    customer_id: str | None
    customer_verified: bool
    customer_groups: list[str]
    knowledge_base: str
    status: str
    started_at: datetime
    last_activity_at: datetime
    latest_response_message_id: UUID | None
    ticket_id: UUID | None
    escalation_reason: str | None
    summary_current: str
    revision: int


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as stored. `metadata_json` holds `citations` of an answer and `author_name` of an agent."""

    message_id: UUID
    session_id: UUID
    sequence: int
    role: str
    content: str
    metadata_json: dict[str, Any]
    in_reply_to: UUID | None
    created_at: datetime
    rating: str | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A conversation to be opened."""

    session_id: UUID
    channel: str
    customer_id: str | None
    customer_verified: bool
    customer_groups: Sequence[str]
    knowledge_base: str
    request_owner: str
    request_id: str | None
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class EarlierSession:
    """What an earlier call with the same request_id made."""

    session_id: UUID
    request_sha256: bytes
    unused: bool


@dataclass(frozen=True, slots=True)
class EarlierMessage:
    """The message that an earlier call with the same request_id wrote."""

    message_id: UUID
    sequence: int
    content: str


async def insert_session(conn: Connection, new: NewSession) -> bool:
    """Opens a conversation; False when its owner used this request_id before.

    Raises KnowledgeBaseNotFound.
    """
    try:
        row = await conn.fetchval(
            queries.insert_session,
            new.session_id,
            new.channel,
            new.customer_id,
            new.customer_verified,
            list(new.customer_groups),
            new.knowledge_base,
            new.request_owner,
            new.request_id,
            new.request_sha256,
        )
    except asyncpg.ForeignKeyViolationError as exc:
        if exc.constraint_name != "sessions_knowledge_base_fkey":
            raise
        raise KnowledgeBaseNotFound(knowledge_base=new.knowledge_base) from exc
    return row is not None


async def session_by_request(conn: Connection, owner: str, request_id: str) -> EarlierSession | None:
    """What `owner` made with `request_id`, if anything."""
    row = await conn.fetchrow(queries.session_by_request, owner, request_id)
    return EarlierSession(**row) if row else None


async def read_session(conn: Connection, session_id: UUID) -> SessionRow | None:
    """A conversation, or None."""
    row = await conn.fetchrow(queries.read_session, session_id)
    return SessionRow(**row) if row else None


async def message_by_request(conn: Connection, session_id: UUID, request_id: str) -> EarlierMessage | None:
    """What was written with `request_id` in this conversation, if anything."""
    row = await conn.fetchrow(queries.message_by_request, session_id, request_id)
    return EarlierMessage(**row) if row else None


async def read_messages(conn: Connection, session_id: UUID, *, after: int, limit: int) -> list[MessageRow]:
    """The chain after a place, oldest first."""
    return [MessageRow(**row) for row in await conn.fetch(queries.read_messages, session_id, after, limit)]


async def read_message(conn: Connection, session_id: UUID, message_id: UUID) -> MessageRow | None:
    """One message of a conversation, or None."""
    row = await conn.fetchrow(queries.read_message, session_id, message_id)
    return MessageRow(**row) if row else None


async def rate_message(conn: Connection, session_id: UUID, message_id: UUID, rating: str, comment: str) -> None:
    """Stores a customer's rating; the latest counts."""
    await conn.execute(queries.rate_message, session_id, message_id, rating, comment)


async def revisions(conn: Connection, session_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The revision of each of these conversations."""
    return {row["session_id"]: row["revision"] for row in await conn.fetch(queries.revisions, list(session_ids))}
