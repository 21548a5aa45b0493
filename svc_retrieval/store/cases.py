"""Learned cases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from meshkit.postgres import Connection, load_queries

_queries = load_queries(__package__, "cases.sql")


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as stored."""

    case_id: UUID
    session_id: UUID
    ticket_id: UUID
    knowledge_base: str
    question: str
    summary: str
    resolution: str
    tags: list[str]
    references: list[str]
    acl: list[str]
    state: str
    reviewed_by: str
    reviewed_at: datetime | None
    doc_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewCase:
    """What was learned from one conversation's ticket."""

    session_id: UUID
    ticket_id: UUID
    knowledge_base: str
    question: str
    summary: str
    resolution: str
    tags: Sequence[str]
    references: Sequence[str]
    acl: Sequence[str]


async def insert_case(conn: Connection, case_id: UUID, new: NewCase) -> bool:
    """False if this conversation's ticket has a case."""
    inserted = await conn.fetchval(
        _queries.insert_case,
        case_id,
        new.session_id,
        new.ticket_id,
        new.knowledge_base,
        new.question,
        new.summary,
        new.resolution,
        list(new.tags),
        list(new.references),
        {"groups": list(new.acl)},
    )
    return inserted is not None


async def case_of(conn: Connection, session_id: UUID, ticket_id: UUID) -> UUID:
    """The case that a conversation's ticket has."""
    case_id: UUID = await conn.fetchval(_queries.case_of, session_id, ticket_id)
    return case_id


async def read_cases(
    conn: Connection,
    *,
    case_id: UUID | None = None,
    state: str | None = None,
    ticket_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 1,
) -> list[CaseRow]:
    """Cases, newest first: the one of `case_id`, or those before `before`."""
    rows = await conn.fetch(_queries.read_cases, case_id, state, ticket_id, before, limit)
    return [_row(dict(row)) for row in rows]


async def lock_case(conn: Connection, case_id: UUID) -> tuple[str, UUID | None] | None:
    """State and document, held until the transaction ends; None if there is no such case."""
    row = await conn.fetchrow(_queries.lock_case, case_id)
    return None if row is None else (row["state"], row["doc_id"])


async def review_case(conn: Connection, case_id: UUID, state: str, by: str) -> None:
    """Writes down what a person decided."""
    await conn.execute(_queries.review_case, case_id, state, by)


def _row(values: dict[str, Any]) -> CaseRow:
    acl = values.pop("acl_json")["groups"]
    references = values.pop("references_json")
    return CaseRow(**values, references=references, acl=acl)
