"""The tables behind a reindex. Every function takes a connection: the caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from meshkit.postgres import Connection, load_queries

_queries = load_queries(__package__, "reindexing.sql")


@dataclass(frozen=True, slots=True)
class Reindex:
    """A knowledge base's way into another model. `step` is the number of the command that works on it."""

    reindex_id: UUID
    knowledge_base: str
    embedding_model: str
    spec: str
    state: str
    step: int
    last_chunk_id: UUID | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stored chunk with what it is embedded by. `title` is the document's, of a case its question."""

    chunk_id: UUID
    text: str
    metadata: Mapping[str, Any]
    title: str
    tags: Sequence[str]


async def load(conn: Connection, reindex_id: UUID) -> Reindex | None:
    """The reindex as it is now."""
    row = await conn.fetchrow(_queries.load_reindex, reindex_id)
    return None if row is None else Reindex(**row)


async def lock(conn: Connection, reindex_id: UUID) -> tuple[str, int] | None:
    """State and step, which nobody changes until this transaction ends."""
    row = await conn.fetchrow(_queries.lock_reindex, reindex_id)
    return None if row is None else (row["state"], row["step"])


async def unembedded(conn: Connection, reindex: Reindex, after: UUID | None, limit: int) -> list[Chunk]:
    """The next chunks without a vector in the reindex's model, by id."""
    rows = await conn.fetch(_queries.unembedded, reindex.knowledge_base, reindex.embedding_model, after, limit)
    return [Chunk(row["chunk_id"], row["text"], row["metadata_json"], row["title"], row["tags"]) for row in rows]


async def write_batch(
    conn: Connection, reindex: Reindex, chunks: Sequence[Chunk], vectors: Sequence[Any], step: int
) -> None:
    """Writes the vectors and up to where this has come. Raises asyncpg.ForeignKeyViolationError if a chunk is deleted
    at that very moment."""
    ids = [each.chunk_id for each in chunks]
    rows = [(chunk_id, reindex.embedding_model, vector) for chunk_id, vector in zip(ids, vectors, strict=True)]
    await conn.executemany(_queries.insert_vector, rows)
    await conn.execute(_queries.advance, reindex.reindex_id, ids[-1], len(ids), step)


async def go_back(conn: Connection, reindex: Reindex, step: int) -> None:
    """Looks at all chunks again, from the first."""
    await conn.execute(_queries.advance, reindex.reindex_id, None, 0, step)


async def missing_vectors(conn: Connection, reindex: Reindex) -> bool:
    """Whether a chunk has no vector in the reindex's model."""
    return bool(await conn.fetchval(_queries.missing_vectors, reindex.knowledge_base, reindex.embedding_model))


async def end(conn: Connection, reindex: Reindex, state: str, error: str = "") -> None:
    """It is `ready`, or has `failed`; nothing changes if another step works on it by now."""
    await conn.execute(_queries.end_reindex, reindex.reindex_id, state, error, reindex.step)


async def delete_vectors(conn: Connection, knowledge_base: str, needed: Sequence[str], limit: int) -> int:
    """Deletes up to `limit` vectors of models that are not `needed`; says how many."""
    return len(await conn.fetch(_queries.delete_vectors, knowledge_base, list(needed), limit))


async def known_models(conn: Connection) -> list[str]:
    """The models that have an index."""
    return [row["name"] for row in await conn.fetch(_queries.known_models)]


async def drop_model(conn: Connection, name: str) -> bool:
    """Forgets the model and its index; False if something needs them."""
    return bool(await conn.fetchval(_queries.drop_model, name))
