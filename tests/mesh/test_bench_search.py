"""A knowledge base that the benchmark stores in bulk is what the tables' own triggers would have made of it."""

import asyncpg
from pgvector.asyncpg import register_vector

from bench.search.stored import fill, fill_in_bulk
from bench.search.synthetic import DOCUMENTATION, Chunk, Synthetic
from tests.postgres import migrated_database

CHUNKS, BLOCK = 2_400, 800
TABLES = (
    "documents", "doc_chunks", "doc_embeddings", "chunk_terms", "term_stats", "corpus_stats", "knowledge_bases",
    "configuration_stats", "embedding_models",
)  # fmt: skip
# When a row was made is the one thing that may differ.
ROWS = "SELECT (to_jsonb(each) - '{{ingested_at,created_at}}'::text[])::text AS row FROM knowledge.{table} each"
SHAPE = """
SELECT 'index' AS kind, pg_get_indexdef(indexrelid) AS definition, indisvalid::text AS state
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'knowledge'::regnamespace
UNION ALL
SELECT 'trigger', pg_get_triggerdef(pg_trigger.oid), tgenabled::text
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = 'knowledge'::regnamespace AND NOT tgisinternal
UNION ALL
SELECT 'constraint', conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid), convalidated::text
FROM pg_constraint WHERE connamespace = 'knowledge'::regnamespace
UNION ALL
SELECT 'table', relname, relpersistence::text
FROM pg_class WHERE relnamespace = 'knowledge'::regnamespace AND relkind = 'r'
ORDER BY 1, 2
"""


def blocks() -> list[list[Chunk]]:
    (made,) = Synthetic(seed=3, sources=DOCUMENTATION[-1:]).chunks(CHUNKS)
    return [made[at : at + BLOCK] for at in range(0, CHUNKS, BLOCK)]


def quiet(_: str) -> None: ...


async def contents(conn: asyncpg.Connection) -> dict[str, list[str]]:
    return {table: sorted(row["row"] for row in await conn.fetch(ROWS.format(table=table))) for table in TABLES}


async def test_in_bulk_nothing_comes_out_otherwise(server_url: str) -> None:
    async with migrated_database(server_url) as one, migrated_database(server_url) as other:
        by_triggers, in_bulk = await asyncpg.connect(one), await asyncpg.connect(other)
        try:
            for conn in (by_triggers, in_bulk):
                await register_vector(conn)
            assert await fill(by_triggers, blocks(), CHUNKS, quiet) > 0
            assert (await contents(in_bulk))["term_stats"] == []
            await fill_in_bulk(in_bulk, other, blocks(), CHUNKS, quiet)
            wanted, found = await contents(by_triggers), await contents(in_bulk)
            assert {table: len(rows) for table, rows in found.items()} == {
                table: len(rows) for table, rows in wanted.items()
            }
            assert len(wanted["chunk_terms"]) == CHUNKS and len(wanted["term_stats"]) > CHUNKS
            for table in TABLES:
                assert found[table] == wanted[table], table
            assert await in_bulk.fetch(SHAPE) == await by_triggers.fetch(SHAPE), "indexes, triggers, constraints"
            # And the triggers count again: what is deleted from both is gone from both alike.
            for conn in (by_triggers, in_bulk):
                await conn.execute("DELETE FROM knowledge.doc_chunks WHERE acl = '{ten}'")
            after = await contents(in_bulk)
            assert after == await contents(by_triggers)
            assert len(after["term_stats"]) < len(wanted["term_stats"])
        finally:
            await by_triggers.close()
            await in_bulk.close()
