"""Documents and their versions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from meshkit.postgres import Connection, load_queries
from svc_retrieval.audience import Audience

_queries = load_queries(__package__, "documents.sql")


@dataclass(frozen=True, slots=True)
class Content:
    """What a version of a document is: its properties and the digest of its bytes. Equal ones are the same version."""

    source: str
    title: str
    kind: str
    acl: tuple[str, ...]
    language: str
    product_version: str
    supersedes_uri: str
    media_type: str
    content_sha256: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as stored. `superseded_by_uri` is known where it was read for somebody, else "". `configuration` has
    stemmed its indexed version: "" is the knowledge base's own, None where languages did not count then, or nothing is
    indexed."""

    doc_id: UUID
    knowledge_base: str
    uri: str
    content: Content
    version: int
    indexed_version: int
    state: str
    error: str
    chunk_count: int
    ingested_at: datetime
    superseded_by_uri: str
    configuration: str | None = None


async def find_document(conn: Connection, knowledge_base: str, uri: str) -> DocumentRow | None:
    """What stands under a uri, deleted or not."""
    return _row(await conn.fetchrow(_queries.find_document, knowledge_base, uri))


async def lock_document(conn: Connection, knowledge_base: str, uri: str) -> DocumentRow | None:
    """The same, held until the transaction ends."""
    return _row(await conn.fetchrow(_queries.lock_document, knowledge_base, uri))


async def insert_document(
    conn: Connection, doc_id: UUID, knowledge_base: str, uri: str, content: Content, object_key: str
) -> int | None:
    """The first version's number; None if the uri is taken."""
    version: int | None = await conn.fetchval(
        _queries.insert_document,
        doc_id,
        knowledge_base,
        uri,
        content.source,
        content.title,
        content.kind,
        {"groups": list(content.acl)},
        content.language,
        content.product_version,
        content.supersedes_uri,
        content.media_type,
        content.content_sha256,
        object_key,
        content.updated_at,
    )
    return version


async def update_document(conn: Connection, doc_id: UUID, content: Content, object_key: str) -> int:
    """Makes `content` the next version; returns its number. Chunks that others than its readers may read go at once."""
    version: int = await conn.fetchval(
        _queries.update_document,
        doc_id,
        content.source,
        content.title,
        content.kind,
        {"groups": list(content.acl)},
        content.language,
        content.product_version,
        content.supersedes_uri,
        content.media_type,
        content.content_sha256,
        object_key,
        content.updated_at,
    )
    await conn.execute(_queries.hide_from, doc_id, list(content.acl))
    return version


async def read_documents(
    conn: Connection,
    audience: Audience,
    *,
    doc_id: UUID | None = None,
    knowledge_base: str | None = None,
    state: str | None = None,
    uri: str | None = None,
    after: UUID | None = None,
    limit: int = 1,
) -> list[DocumentRow]:
    """Documents by id. Without a `state`, deleted ones only if `doc_id` names them."""
    rows = await conn.fetch(
        _queries.read_documents,
        audience.sees_everything,
        list(audience.groups),
        doc_id,
        knowledge_base,
        state,
        uri,
        after,
        limit,
    )
    return [found for row in rows if (found := _row(row))]


async def lock_state(conn: Connection, doc_id: UUID) -> str | None:
    """The state, held until the transaction ends; None if there is no such document."""
    state: str | None = await conn.fetchval(_queries.lock_state, doc_id)
    return state


async def delete_document(conn: Connection, doc_id: UUID) -> None:
    """Takes the chunks away and marks the row."""
    await conn.execute(_queries.delete_chunks, doc_id)
    await conn.execute(_queries.mark_deleted, doc_id)


def _row(row: asyncpg.Record | None) -> DocumentRow | None:
    if row is None:
        return None
    values: dict[str, Any] = dict(row)
    return DocumentRow(
        doc_id=values["doc_id"],
        knowledge_base=values["knowledge_base"],
        uri=values["uri"],
        content=Content(
            source=values["source"],
            title=values["title"],
            kind=values["kind"],
            acl=tuple(values["acl_json"]["groups"]),
            language=values["language"],
            product_version=values["product_version"],
            supersedes_uri=values["supersedes_uri"],
            media_type=values["media_type"],
            content_sha256=values["content_sha256"],
            updated_at=values["updated_at"],
        ),
        version=values["version"],
        indexed_version=values["indexed_version"],
        state=values["state"],
        error=values["error"],
        chunk_count=values["chunk_count"],
        ingested_at=values["ingested_at"],
        superseded_by_uri=values.get("superseded_by_uri", ""),
        configuration=values["configuration"],
    )
