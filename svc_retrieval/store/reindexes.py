"""Reindexes. Every function takes a connection: the caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from meshkit.postgres import Connection, load_queries

_queries = load_queries(__package__, "reindexes.sql")


@dataclass(frozen=True, slots=True)
class ReindexRow:
    """A knowledge base's way into another model. `spec` is how the model was asked for."""

    reindex_id: UUID
    knowledge_base: str
    embedding_model: str
    spec: str
    former_model: str
    state: str
    step: int
    embedded_chunks: int
    total_chunks: int
    error: str
    started_by: str
    created_at: datetime
    updated_at: datetime


async def lock_base(conn: Connection, name: str) -> str | None:
    """The knowledge base's model, which nobody changes until this transaction ends; None if there is no such base."""
    model: str | None = await conn.fetchval(_queries.lock_base, name)
    return model


async def under_way(conn: Connection, knowledge_base: str) -> ReindexRow | None:
    """The reindex of the knowledge base that is not over."""
    return _row(await conn.fetchrow(_queries.reindex_under_way, knowledge_base))


async def failed(conn: Connection, knowledge_base: str, model: str) -> ReindexRow | None:
    """The knowledge base's last reindex, if it failed on its way into `model`."""
    return _row(await conn.fetchrow(_queries.failed_reindex, knowledge_base, model))


async def insert(
    conn: Connection, reindex_id: UUID, knowledge_base: str, *, model: str, spec: str, former: str, by: str
) -> ReindexRow:
    """A new one."""
    arguments = (reindex_id, knowledge_base, model, spec, former, by)
    return _known(await conn.fetchrow(_queries.insert_reindex, *arguments))


async def resume(conn: Connection, reindex_id: UUID) -> ReindexRow:
    """Lets it go on from its first gap, with a command of the next number."""
    return _known(await conn.fetchrow(_queries.resume_reindex, reindex_id))


async def read(conn: Connection, reindex_id: UUID, *, lock: bool = False) -> ReindexRow | None:
    """One; with `lock`, nobody else changes it until this transaction ends."""
    return _row(await conn.fetchrow(_queries.lock_reindex if lock else _queries.read_reindex, reindex_id))


async def page(
    conn: Connection, *, knowledge_base: str | None, before: UUID | None, limit: int
) -> Sequence[ReindexRow]:
    """Reindexes, newest first, older than `before`."""
    return [_known(row) for row in await conn.fetch(_queries.read_reindexes, knowledge_base, before, limit)]


async def missing_vectors(conn: Connection, knowledge_base: str, model: str) -> bool:
    """Whether a chunk has no vector in `model`."""
    return bool(await conn.fetchval(_queries.missing_vectors, knowledge_base, model))


async def put_in_force(conn: Connection, knowledge_base: str, model: str) -> None:
    """Searches use `model` from now on."""
    await conn.execute(_queries.put_in_force, knowledge_base, model)


async def set_state(conn: Connection, reindex_id: UUID, state: str) -> ReindexRow:
    """Says how far it has come."""
    return _known(await conn.fetchrow(_queries.set_state, reindex_id, state))


async def former_vectors(conn: Connection, knowledge_base: str) -> dict[str, int]:
    """How many vectors there are that the knowledge base is not searched with, by model."""
    rows = await conn.fetch(_queries.former_vectors, knowledge_base)
    return {row["embedding_model"]: row["vectors"] for row in rows}


_NAMES = tuple(field.name for field in fields(ReindexRow))


def _known(row: Any) -> ReindexRow:
    return ReindexRow(**{name: row[name] for name in _NAMES})


def _row(row: Any) -> ReindexRow | None:
    return None if row is None else _known(row)
