"""The rows that an export of turns is made from. Functions take a connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from google.protobuf import json_format

from groundline.orchestration.v1 import event_pb2
from meshkit.postgres import Connection
from svc_orchestrator.store import queries

HISTORY = 24
"""Messages before a turn."""
AFTER = 200
"""Messages and events after a turn that are looked at for what a person made of it."""


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A stored turn, and whose conversation it is of."""

    event_id: UUID
    session_id: UUID
    created_at: datetime
    customer_id: str | None
    turn: event_pb2.Turn


@dataclass(frozen=True, slots=True)
class MessageAround:
    """A message near a turn. `asked`: the turn handled it; `before`: it was said before. `rating` is "" without one."""

    message_id: UUID
    role: str
    content: str
    created_at: datetime
    author_name: str
    asked: bool
    before: bool
    rating: str


@dataclass(frozen=True, slots=True)
class Milestone:
    """An event near a turn; `turn` among them, without its payload."""

    event_id: UUID
    type: str
    created_at: datetime
    event: event_pb2.Event


async def turns_to_export(
    conn: Connection,
    knowledge_base: str,
    since: datetime | None,
    until: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[TurnRow]:
    """Turns in which something was asked of the knowledge base, oldest first."""
    moment, event_id = after or (None, None)
    rows = await conn.fetch(queries.turns_to_export, knowledge_base, since, until, moment, event_id, limit)
    return [
        TurnRow(
            row["event_id"],
            row["session_id"],
            row["created_at"],
            row["customer_id"],
            json_format.ParseDict(row["payload_json"], event_pb2.Event(), ignore_unknown_fields=True).turn,
        )
        for row in rows
    ]


async def messages_around(conn: Connection, session_id: UUID, asked: Sequence[UUID]) -> list[MessageAround]:
    """The messages of a turn, HISTORY before them and AFTER behind them, in order."""
    return [
        MessageAround(**row)
        for row in await conn.fetch(queries.messages_around, session_id, list(asked), HISTORY, AFTER)
    ]


async def milestones_around(conn: Connection, session_id: UUID, event_id: UUID) -> list[Milestone]:
    """The latest reopening before a turn's event, and the events after it, in order."""
    rows = await conn.fetch(queries.milestones_around, session_id, event_id, AFTER)
    return [
        Milestone(
            row["event_id"],
            row["type"],
            row["created_at"],
            json_format.ParseDict(row["payload_json"], event_pb2.Event(), ignore_unknown_fields=True),
        )
        for row in rows
    ]
