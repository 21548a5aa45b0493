"""What storing chunks costs: the words, the cells and the statistics of them, by how many a statement brings."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from bench.report import Table
from bench.search.measure import cpu_s
from bench.search.stored import STAGED, search_server, store
from bench.search.synthetic import DOCUMENTATION, Chunk, Synthetic
from bench.side_by_side import Say
from db.bootstrap import DATABASE, OWNER, create_database
from db.migrate import migrate

NAME = "storing"
STATEMENTS = (8, 200, 2000)
"""Chunks in a statement: a short page's, a long one's, and an import's."""
# As many are there before, so that most words are known.
BEFORE, CHUNKS = 4_000, 2_000
ROUNDS = 2


def run(folder: Path, vocabulary: Path | None, seed: int, say: Say) -> Table:
    """Raises PostgresError."""
    synthetic = Synthetic(seed, [vocabulary] if vocabulary else DOCUMENTATION)
    block = synthetic.block(0)
    with search_server(folder) as server:
        asyncio.run(create_database(server.url()))
        found = asyncio.run(_measure(server.url(OWNER, DATABASE), block, say))
    rows = [
        [str(size), f"{per_s:,.0f}", f"{with_ms:.2f}", f"{without_ms:.2f}"]
        for size, (per_s, with_ms, without_ms) in found.items()
    ]
    notes = [
        f"{CHUNKS:,} chunks, {ROUNDS} times, in a knowledge base of {BEFORE:,}; one connection, without vectors. The "
        "clock tells what else the machine does; the CPU is the server's own.",
        "`without` leaves out the triggers that keep statistics and cells.",
    ]
    columns = ["chunks in a statement", "chunks/s", "CPU ms a chunk", "without statistics and cells"]
    return Table(NAME, "Storing chunks", columns, rows, notes, data={str(size): each for size, each in found.items()})


async def _measure(url: str, block: Sequence[Chunk], say: Say) -> dict[int, tuple[float, float, float]]:
    await migrate(url)
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(STAGED)
        clock = cpu_s([conn.get_server_pid()], own=False)
        await store(conn, block[:BEFORE])
        await conn.execute("VACUUM ANALYZE")
        found: dict[int, tuple[float, float, float]] = {}
        for size in STATEMENTS:
            say(f"storing {size} chunks a statement")
            # Rounds with and without take turns; the least of each is what the work costs.
            spent: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
            for _ in range(ROUNDS):
                for counted in (True, False):
                    await conn.execute(
                        f"ALTER TABLE knowledge.doc_chunks {'EN' if counted else 'DIS'}ABLE TRIGGER USER"
                    )
                    started, used = time.perf_counter(), clock()
                    for at in range(BEFORE, BEFORE + CHUNKS, size):
                        await store(conn, block[at : at + size])
                    spent[counted].append((time.perf_counter() - started, clock() - used))
                    await conn.execute("ALTER TABLE knowledge.doc_chunks ENABLE TRIGGER USER")
                    await _delete(conn, block[BEFORE : BEFORE + CHUNKS], counted=counted)
            ms = {counted: min(used for _, used in each) * 1e3 / CHUNKS for counted, each in spent.items()}
            found[size] = CHUNKS / min(taken for taken, _ in spent[True]), ms[True], ms[False]
        return found
    finally:
        await conn.close()


async def _delete(conn: asyncpg.Connection, chunks: Sequence[Chunk], *, counted: bool) -> None:
    if not counted:
        await conn.execute("ALTER TABLE knowledge.doc_chunks DISABLE TRIGGER USER")
    await conn.execute(
        "DELETE FROM knowledge.doc_chunks WHERE chunk_id = ANY ($1::uuid[])", [each.chunk_id for each in chunks]
    )
    await conn.execute("ALTER TABLE knowledge.doc_chunks ENABLE TRIGGER USER")
    await conn.execute("DELETE FROM knowledge.documents d WHERE NOT EXISTS "
                       "(SELECT FROM knowledge.doc_chunks c WHERE c.doc_id = d.doc_id)")  # fmt: skip
    await conn.execute("VACUUM ANALYZE")
