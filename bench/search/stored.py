"""Synthetic knowledge bases in a PostgreSQL server of the benchmark's own, one database for each size."""

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from pgvector.asyncpg import register_vector

from bench.search import bulk
from bench.search.synthetic import CHUNKS_OF_A_PAGE, DIMENSION, Chunk, Synthetic, page_id
from bench.side_by_side import Say
from db.bootstrap import OWNER, create_database, create_extensions
from db.migrate import migrate
from db.postgres import PostgresServer
from meshkit.text.lexemes import identifier_lexemes, index_text, tsvector, word_count
from svc_retrieval.wiring import vector_index_settings, with_server_settings

MODEL = f"synthetic-{DIMENSION}"
# What an operator of a knowledge base of a million chunks gives its server: the vector index fits into memory.
SETTINGS = {
    "shared_buffers": "5GB",
    "maintenance_work_mem": "3GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "synchronous_commit": "off",
    "max_parallel_maintenance_workers": "2",
}
BUILD_TIMEOUT_S = 3600.0
BULK_FROM = 1_000_000
"""From so many chunks on, a knowledge base is stored in bulk."""
_WHOLE = "SELECT shobj_description(oid, 'pg_database') = 'whole' FROM pg_database WHERE datname = $1"
_WARM = """
SELECT pg_prewarm(class.oid::regclass)
FROM pg_class class
WHERE relnamespace = 'knowledge'::regnamespace AND relkind IN ('r', 'i')
ORDER BY relkind DESC, class.oid
"""
_CREATED = datetime(2026, 1, 1, tzinfo=UTC)
_DOCUMENT_COLUMNS = (
    "doc_id knowledge_base title uri acl_json state indexed_version media_type content_sha256 object_key chunk_count "
    "updated_at"
)
STAGED = (
    "CREATE TEMP TABLE staged (chunk_id uuid, doc_id uuid, acl text[], chunk_index integer, text text, words text, "
    "identifiers text[])"
)
# Through the table's triggers, so that statistics are what ingestion would have made them.
_INSERT = f"""
INSERT INTO knowledge.doc_chunks
    (chunk_id, doc_id, knowledge_base, acl, chunk_index, text, tsvector_column, word_count)
SELECT chunk_id, doc_id, 'default', acl, chunk_index, text, vector, {word_count("vector")}
FROM (
    SELECT *, {tsvector("'english'", "words", "identifiers")} AS vector FROM staged OFFSET 0
) AS made
ORDER BY chunk_id
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A knowledge base of `chunks` chunks. `stored_per_s` is how many chunks a second one connection stored, words and
    statistics without the vectors; None if it was built in an earlier run, or in bulk."""

    chunks: int
    url: str
    stored_per_s: float | None


@contextmanager
def search_server(folder: Path) -> Iterator[PostgresServer]:
    """A server with its data in `folder`, which stays."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    server = PostgresServer(folder / "data", settings=SETTINGS)
    try:
        server.start(timeout_s=120)
        yield server
    finally:
        server.stop(timeout_s=120)


@contextmanager
def on_one_core(server: PostgresServer) -> Iterator[None]:
    """The server's new connections and this process share one core."""
    before = os.sched_getaffinity(0)
    core = {max(before)}
    assert server.pid is not None
    try:
        os.sched_setaffinity(0, core)
        os.sched_setaffinity(server.pid, core)
        yield
    finally:
        os.sched_setaffinity(0, before)
        os.sched_setaffinity(server.pid, before)


def stored(server: PostgresServer, synthetic: Synthetic, chunks: int, say: Say) -> Stored:
    """The knowledge base of this size, built if it is not there, and in memory."""
    name = f"search_{chunks}"
    per_s = asyncio.run(_build(server, name, synthetic, chunks, say))
    say(f"reading {chunks:,} chunks into memory")
    asyncio.run(_warm(server.url(database=name)))
    url = with_server_settings(server.url("groundline_retrieval", name), vector_index_settings(100))
    return Stored(chunks, url, per_s)


async def _build(server: PostgresServer, name: str, synthetic: Synthetic, chunks: int, say: Say) -> float | None:
    await create_database(server.url())
    root = await asyncpg.connect(server.url())
    try:
        if await root.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            whole = await root.fetchval(_WHOLE, name)
            if whole:
                # Kept from before the newest migrations, maybe.
                await migrate(server.url(OWNER, name))
                return None
            await root.execute(f"DROP DATABASE {name}")
        await root.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    finally:
        await root.close()
    await create_extensions(server.url(), name)
    await migrate(server.url(OWNER, name))
    url = server.url(OWNER, name)
    conn = await asyncpg.connect(url)
    try:
        await register_vector(conn)
        if chunks < BULK_FROM:
            per_s = await fill(conn, synthetic.chunks(chunks), chunks, say)
        else:
            await fill_in_bulk(conn, url, synthetic.chunks(chunks), chunks, say)
            per_s = None
        for table in ("documents", "doc_chunks", "doc_embeddings", "term_stats", "corpus_stats", "chunk_terms"):
            say(f"gathering the planner's statistics of {table}")
            await conn.execute(f"VACUUM ANALYZE knowledge.{table}", timeout=BUILD_TIMEOUT_S)
        await conn.execute(f"COMMENT ON DATABASE {name} IS 'whole'")
        return per_s
    finally:
        await conn.close()


async def _warm(url: str) -> None:
    """Brings all tables and then all indexes into the server's memory, where those of a server that has searched for a
    day are: a few questions asked beforehand touch little of a million chunks."""
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        await conn.execute(_WARM, timeout=BUILD_TIMEOUT_S)
    finally:
        await conn.close()


async def fill(conn: asyncpg.Connection, blocks: Iterable[Sequence[Chunk]], chunks: int, say: Say) -> float:
    """Stores the chunks as ingestion does, through the tables' triggers; how many a second, without the vectors."""
    await conn.execute(STAGED)
    spent = 0.0
    done = 0
    for block in blocks:
        say(f"storing {chunks:,} chunks: {done / chunks:.0%}")
        started = time.perf_counter()
        await store(conn, block)
        spent += time.perf_counter() - started
        await _store_vectors(conn, block)
        done += len(block)
    say(f"building the vector index of {chunks:,} chunks")
    await conn.execute("SELECT knowledge.register_embedding_model($1, $2)", MODEL, DIMENSION, timeout=BUILD_TIMEOUT_S)
    return chunks / spent


async def fill_in_bulk(
    conn: asyncpg.Connection, url: str, blocks: Iterable[Sequence[Chunk]], chunks: int, say: Say
) -> None:
    """Ends with the same rows and indexes as `fill`."""

    async def put(block: Sequence[Chunk]) -> None:
        await store(conn, block)
        await _store_vectors(conn, block)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    await conn.execute(STAGED)
    await bulk.fill(conn, connect, blocks, chunks, put, say)
    register = f"SELECT knowledge.register_embedding_model('{MODEL}', {DIMENSION})"
    await bulk.built(conn, connect, register, "the vector index", say)


async def _store_vectors(conn: asyncpg.Connection, block: Sequence[Chunk]) -> None:
    await conn.copy_records_to_table(
        "doc_embeddings",
        schema_name="knowledge",
        columns=["chunk_id", "embedding_model", "embedding_vector", "knowledge_base", "acl"],
        records=[(each.chunk_id, MODEL, each.vector, "default", [each.group]) for each in block],
    )


async def store(conn: asyncpg.Connection, block: Sequence[Chunk]) -> None:
    """Stores pages with their chunks, by one statement for these; needs the table of `STAGED`."""
    pages = {each.page: each for each in reversed(block)}
    await conn.copy_records_to_table(
        "documents",
        schema_name="knowledge",
        columns=_DOCUMENT_COLUMNS.split(),
        records=[
            (
                page_id(page),
                "default",
                " ".join(first.text.split()[:4]),
                f"synthetic/{page}.md",
                f'{{"groups": ["{first.group}"]}}',
                "indexed",
                1,
                "text/markdown",
                "",
                "",
                CHUNKS_OF_A_PAGE,
                _CREATED,
            )
            for page, first in pages.items()
        ],
    )
    async with conn.transaction():
        await conn.copy_records_to_table(
            "staged",
            records=[
                (
                    each.chunk_id,
                    page_id(each.page),
                    [each.group],
                    index,
                    each.text,
                    index_text(each.text),
                    identifier_lexemes(each.text),
                )
                for index, each in enumerate(block)
            ],
        )
        await conn.execute(_INSERT, timeout=BUILD_TIMEOUT_S)
        await conn.execute("TRUNCATE staged")
