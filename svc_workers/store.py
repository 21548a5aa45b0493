"""The tables that the workers read and write. Every function takes a connection: the caller owns the transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from meshkit.models.shelf import NamedModel
from meshkit.postgres import Connection, load_queries
from svc_workers.passages import Passage

_queries = load_queries(__package__)

INSERT_BATCH = 200


@dataclass(frozen=True, slots=True)
class Document:
    """A document's row. `groups` may read it; `configuration` is its knowledge base's text search configuration."""

    doc_id: UUID
    knowledge_base: str
    title: str
    uri: str
    kind: str
    version: int
    state: str
    media_type: str
    object_key: str
    groups: tuple[str, ...]
    configuration: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case's row. `doc_id` is the document that it is searched as, once there is one."""

    case_id: UUID
    knowledge_base: str
    question: str
    resolution: str
    tags: tuple[str, ...]
    groups: tuple[str, ...]
    state: str
    doc_id: UUID | None
    created_at: datetime
    configuration: str


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command as the outbox holds it, without its payload."""

    outbox_id: UUID
    type: str
    idempotency_key: str
    ordering_key: UUID | None
    status: str
    attempts: int
    next_attempt_at: datetime
    created_at: datetime
    last_error: str | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What an operator did. `action` is the contract's value in small letters."""

    audit_id: UUID
    actor: str
    actor_role: str
    action: str
    resource_id: UUID
    changed: bool
    note: str
    request_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Indexed:
    """A passage ready to be stored, and its chunk's id."""

    chunk_id: UUID
    passage: Passage


async def register_embedding_model(conn: Connection, model: NamedModel, dimension: int) -> None:
    """Makes the model known, for knowledge bases that have none yet too.

    Raises asyncpg.RaiseError if it is known with another dimension.
    """
    await conn.execute(_queries.register_embedding_model, model.name, dimension)
    await conn.execute(_queries.describe_embedding_model, model.name, model.spec)
    await conn.execute(_queries.adopt_embedding_model, model.name)


async def needed_models(conn: Connection, knowledge_base: str, *, lock: bool = False) -> list[NamedModel]:
    """The model in force (its name is empty if nobody has said which), then the one of a reindex under way.

    With `lock`, no other comes to be needed until this transaction ends.
    """
    if lock:
        await conn.execute(_queries.lock_base, knowledge_base)
    return [NamedModel(row["name"], row["spec"]) for row in await conn.fetch(_queries.needed_models, knowledge_base)]


async def document_acls(conn: Connection, doc_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, ...]]:
    """Who may read each of the documents; unknown ones are left out."""
    rows = await conn.fetch(_queries.document_acls, list(doc_ids))
    return {row["doc_id"]: tuple(row["groups"]) for row in rows}


async def load_document(conn: Connection, doc_id: UUID) -> Document | None:
    """The document's row as it is now."""
    row = await conn.fetchrow(_queries.load_document, doc_id)
    return None if row is None else Document(**{**row, "groups": tuple(row["groups"])})


async def lock_version(conn: Connection, doc_id: UUID) -> tuple[int, str] | None:
    """Version and state, which nobody else changes until this transaction ends."""
    row = await conn.fetchrow(_queries.lock_version, doc_id)
    return None if row is None else (row["version"], row["state"])


async def replace_chunks(
    conn: Connection,
    doc_id: UUID,
    chunks: Sequence[Indexed],
    *,
    knowledge_base: str,
    groups: Sequence[str],
    own_configuration: str,
    configuration: str,
    vectors: Mapping[str, Sequence[Any]],
) -> None:
    """Takes the document's chunks away and puts `chunks` in their place, with their `vectors` by model.

    Their words are stemmed by `configuration`, or where that is "" by the knowledge base's own.
    """
    # In one order: statistics are kept by the list as it is.
    acl = sorted(set(groups))
    await conn.execute(_queries.delete_chunks, doc_id)
    for first in range(0, len(chunks), INSERT_BATCH):
        part = chunks[first : first + INSERT_BATCH]
        await conn.execute(
            _queries.insert_chunks,
            doc_id,
            knowledge_base,
            acl,
            first,
            own_configuration,
            [each.chunk_id for each in part],
            list(range(len(part))),
            [each.passage.text for each in part],
            [json.dumps(each.passage.metadata(), ensure_ascii=False) for each in part],
            [each.passage.words(accents=bool(configuration)) for each in part],
            [" ".join(each.passage.identifiers) for each in part],
            configuration,
        )
    await conn.executemany(
        _queries.insert_embedding,
        [
            (each.chunk_id, model, vector, knowledge_base, acl)
            for model, rows in vectors.items()
            for each, vector in zip(chunks, rows, strict=True)
        ],
    )


async def stemmers(conn: Connection) -> frozenset[str]:
    """The names of the text search configurations that there are."""
    return frozenset(await conn.fetchval(_queries.stemmers))


async def function_words(conn: Connection, words: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    """How many of the words (in small letters) are function words, and how many different ones, by the configuration
    that takes them for such."""
    rows = await conn.fetch(_queries.function_words, list(words))
    return {row["configuration"]: (row["words"], row["forms"]) for row in rows}


async def mark_indexed(conn: Connection, doc_id: UUID, chunk_count: int, configuration: str) -> None:
    """Says that the document's current version can be found, and by which configuration ("" for the base's own)."""
    await conn.execute(_queries.mark_indexed, doc_id, chunk_count, configuration)


async def mark_failed(conn: Connection, doc_id: UUID, version: int, error: str) -> bool:
    """Says why `version` can't be read; False if the document is at another version by now, or deleted."""
    return await conn.fetchval(_queries.mark_failed, doc_id, version, error) is not None


async def load_case(conn: Connection, case_id: UUID, *, lock: bool = False) -> Case | None:
    """The case as it is now; with `lock`, nobody else changes it until this transaction ends."""
    row = await conn.fetchrow(_queries.lock_case if lock else _queries.load_case, case_id)
    return None if row is None else Case(**{**row, "groups": tuple(row["groups"]), "tags": tuple(row["tags"])})


async def put_case_document(
    conn: Connection,
    doc_id: UUID,
    case: Case,
    *,
    title: str,
    groups: Sequence[str],
    content_sha256: str,
    object_key: str,
) -> UUID:
    """Writes the document that the case is searched as, and ties the case to it; returns the document's id."""
    kept: UUID = await conn.fetchval(
        _queries.put_case_document,
        doc_id,
        case.knowledge_base,
        title,
        f"case:{case.case_id}",
        {"groups": list(groups)},
        content_sha256,
        object_key,
        case.created_at,
    )
    await conn.execute(_queries.tie_case, case.case_id, kept)
    return kept


async def remove_document(conn: Connection, doc_id: UUID) -> None:
    """Takes a document and its chunks out of the search."""
    await conn.execute(_queries.delete_chunks, doc_id)
    await conn.execute(_queries.remove_document, doc_id)


async def list_commands(
    conn: Connection, *, after: UUID | None, status: str | None, type: str | None, limit: int
) -> list[CommandRow]:
    """Commands behind `after`, oldest first."""
    rows = await conn.fetch(_queries.list_commands, after, status, type, limit)
    return [CommandRow(**row) for row in rows]


async def get_command(conn: Connection, command_id: UUID) -> CommandRow | None:
    """One command."""
    row = await conn.fetchrow(_queries.get_command, command_id)
    return None if row is None else CommandRow(**row)


async def redrive_command(conn: Connection, command_id: UUID) -> bool:
    """Makes a dead command pending; False if it isn't dead."""
    return await conn.fetchval(_queries.redrive_command, command_id) is not None


async def discard_command(conn: Connection, command_id: UUID) -> bool:
    """Gives a dead command up for good; False if it isn't dead."""
    return await conn.fetchval(_queries.discard_command, command_id) is not None


async def list_audit(conn: Connection, *, before: UUID | None, resource_id: UUID | None, limit: int) -> list[AuditRow]:
    """Entries older than `before`, newest first."""
    return [AuditRow(**row) for row in await conn.fetch(_queries.list_audit, before, resource_id, limit)]


async def purge_answers(conn: Connection, older_than_s: float, limit: int) -> int:
    """Forgets up to `limit` answered request ids of that age; returns how many."""
    tag = await conn.execute(_queries.purge_answers, older_than_s, limit)
    return int(tag.rpartition(" ")[2])


PURGES = {"answered_requests": purge_answers}
