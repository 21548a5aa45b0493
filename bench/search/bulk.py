"""A large knowledge base stored at once: what the tables' triggers would have made of it block by block, made by a
statement for each table when all rows are there, with indexes built last. tests/mesh/test_bench_search.py holds that
nothing differs in the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

import asyncpg

from bench.search.synthetic import Chunk
from bench.side_by_side import Say

Store = Callable[[Sequence[Chunk]], Awaitable[None]]

TIMEOUT_S = 3 * 3600.0
WORKERS = 2
RANGE = 5_000
PROGRESS_EVERY_S = 15.0
SETTINGS = {"work_mem": "512MB", "hash_mem_multiplier": "2", "max_parallel_workers_per_gather": str(WORKERS)}
TABLES = ("doc_chunks", "doc_embeddings", "chunk_terms")

# Those of constraints stay: rows come in their order.
_INDEXES = """
SELECT class.relname AS name, pg_get_indexdef(class.oid) AS definition
FROM pg_index
JOIN pg_class class ON class.oid = indexrelid
WHERE indrelid = ANY ($1::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY class.relname
"""
_TERMS = """
INSERT INTO knowledge.chunk_terms (chunk_id, audience, terms, cells)
SELECT c.chunk_id, c.audience, t.terms, t.cells
FROM (
    SELECT chunk_id, tsvector_column, word_count, knowledge.audience_number(knowledge_base, acl) AS audience
    FROM knowledge.doc_chunks
    WHERE chunk_id >= $1 AND chunk_id < $2
    ORDER BY chunk_id
) AS c, knowledge.chunk_terms_of(c.audience, c.tsvector_column, c.word_count) AS t
"""
# A table of its own first: an INSERT would not read in parallel.
_COUNTS = """
CREATE UNLOGGED TABLE knowledge.counted AS
SELECT c.knowledge_base, i.lexeme, c.acl, i.level, count(*) AS chunks
FROM knowledge.doc_chunks c, knowledge.term_impacts(c.tsvector_column, c.word_count) AS i
GROUP BY 1, 2, 3, 4
"""
_STATISTICS = (
    """
    INSERT INTO knowledge.corpus_stats (knowledge_base, acl, chunk_count, word_count)
    SELECT knowledge_base, acl, count(*), sum(word_count) FROM knowledge.doc_chunks GROUP BY 1, 2 ORDER BY 1, 2
    """,
    _COUNTS,
    """
    INSERT INTO knowledge.term_stats (knowledge_base, lexeme, acl, document_frequency, level_frequencies)
    SELECT word.knowledge_base, word.lexeme, word.acl, word.chunks, ARRAY(
        SELECT coalesce((word.frequencies ->> level::text)::integer, 0)
        FROM generate_series(1, 16) AS level
        ORDER BY level
    )
    FROM (
        SELECT knowledge_base, lexeme, acl, sum(chunks) AS chunks, jsonb_object_agg(level, chunks) AS frequencies
        FROM knowledge.counted
        GROUP BY 1, 2, 3
        ORDER BY 1, 2, 3
    ) AS word
    """,
    "DROP TABLE knowledge.counted",
)
_BUILT = "SELECT 100.0 * blocks_done / nullif(blocks_total, 0) FROM pg_stat_progress_create_index"


async def fill(
    conn: asyncpg.Connection,
    connect: Callable[[], Awaitable[asyncpg.Connection]],
    blocks: Iterable[Sequence[Chunk]],
    chunks: int,
    store: Store,
    say: Say,
) -> None:
    """Stores `chunks` chunks by `store`, which inserts over `conn`, and makes all that follows from them. The database
    is its owner's, empty, and nobody else's meanwhile; `connect` opens more connections to it."""
    for name, value in SETTINGS.items():
        await conn.execute(f"SET {name} = '{value}'")
    indexes = await conn.fetch(_INDEXES, [f"knowledge.{table}" for table in TABLES])
    for each in indexes:
        await conn.execute(f"DROP INDEX knowledge.{each['name']}")
    await conn.execute("ALTER TABLE knowledge.doc_chunks DISABLE TRIGGER USER")
    progress = _Progress(say, f"storing {chunks:,} chunks", chunks)
    statements = 0
    for block in blocks:
        await store(block)
        statements += 1
        progress.add(len(block))
    await conn.execute("ALTER TABLE knowledge.doc_chunks ENABLE TRIGGER USER")
    await conn.execute("UPDATE knowledge.knowledge_bases SET index_version = index_version + $1", statements)
    await conn.execute("ANALYZE knowledge.doc_chunks")
    await _terms(conn, connect, _Progress(say, f"terms of {chunks:,} chunks", chunks))
    for at, statement in enumerate(_STATISTICS, start=1):
        say(f"statistics of {chunks:,} chunks: statement {at} of {len(_STATISTICS)}")
        await conn.execute(statement, timeout=TIMEOUT_S)
    for each in indexes:
        await built(conn, connect, each["definition"], each["name"], say)


async def built(
    conn: asyncpg.Connection,
    connect: Callable[[], Awaitable[asyncpg.Connection]],
    statement: str,
    name: str,
    say: Say,
) -> None:
    """Runs a statement that builds an index, and says how far it is."""
    watching = await connect()
    progress = _Progress(say, f"building {name}", 100)
    building = asyncio.ensure_future(conn.execute(statement, timeout=TIMEOUT_S))
    try:
        while not (await asyncio.wait([building], timeout=PROGRESS_EVERY_S))[0]:
            progress.at(float(await watching.fetchval(_BUILT) or 0))
        await building
    finally:
        building.cancel()
        await watching.close()


async def _terms(
    conn: asyncpg.Connection, connect: Callable[[], Awaitable[asyncpg.Connection]], progress: "_Progress"
) -> None:
    """Every chunk's terms, by several connections, each a range of chunks at a time."""
    ids: list[UUID] = [
        row["chunk_id"]
        for row in await conn.fetch(
            "SELECT chunk_id FROM (SELECT chunk_id, row_number() OVER (ORDER BY chunk_id) AS place "
            "FROM knowledge.doc_chunks) AS each WHERE place % $1 = 1",
            RANGE,
        )
    ]
    ranges = list(zip(ids, [*ids[1:], UUID(int=2**128 - 1)], strict=True))[::-1]

    async def work() -> None:
        own = await connect()
        try:
            while ranges:
                stored = await own.execute(_TERMS, *ranges.pop(), timeout=TIMEOUT_S)
                progress.add(int(stored.split()[-1]))
        finally:
            await own.close()

    await asyncio.gather(*(work() for _ in range(WORKERS)))


class _Progress:
    """Says how much is done and when the rest will be."""

    def __init__(self, say: Say, what: str, total: int) -> None:
        self._say, self._what, self._total = say, what, total
        self._started = time.monotonic()
        self._done = 0.0
        say(f"{what}: 0%")

    def add(self, count: int) -> None:
        self.at(self._done + count)

    def at(self, done: float) -> None:
        self._done = done
        if done > 0:
            left = (time.monotonic() - self._started) * (self._total - done) / done
            self._say(f"{self._what}: {done / self._total:.0%}, {left / 60:.1f} min left")
