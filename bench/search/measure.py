"""How fast and how exactly search finds, by size and by how much the asking may read."""

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import uvloop

from bench.figures import quantile
from bench.report import Table
from bench.search.stored import MODEL, SETTINGS, Stored, on_one_core, search_server, stored
from bench.search.synthetic import DIMENSION, DOCUMENTATION, VISIBLE, Question, Synthetic
from bench.side_by_side import Say
from meshkit.models.shelf import Shelf
from meshkit.models.vectors import Vectors
from meshkit.postgres import Database
from svc_retrieval.ranking import Ranking
from svc_retrieval.search import Search
from svc_retrieval.spaces import Spaces
from svc_retrieval.store.search import LexicalLeg, VectorSpace, by_words

NAME = "search"
SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
DEFAULT_SIZES = ("10k", "100k")
MOST_P95_MS = 40.0
AT, MOST_RATIO = 100_000, 1.5
LEAST_RECALL = 0.95
TOP = 10
EVERYTHING = 1_000_000_000
# Asked first and not counted: what a connection's first plans and an empty cache cost is no search's time.
WARM_UP = 20
# The exact answers take seconds each at a million chunks.
DEFAULT_EXACT = 30
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'bench'"
"""The server's processes that work for the bench: `cpu_s` reads their clocks."""
# BM25 by the book, of every chunk that may be read. $1 groups, $2 lexemes, $3 idf, $4 mean words, $5 k1, $6 b.
_BY_THE_BOOK = """
SELECT chunk.chunk_id, scored.bm25
FROM knowledge.doc_chunks chunk
CROSS JOIN LATERAL (
    SELECT sum(asked.idf * held.tf * ($5::float8 + 1)
        / (held.tf + $5::float8 * (1 - $6::float8 + $6::float8 * chunk.word_count / $4::float8))) AS bm25
    FROM (
        SELECT word.lexeme, greatest(cardinality(word.positions), 1)::float8 AS tf
        FROM unnest(chunk.tsvector_column) AS word
    ) AS held
    JOIN unnest($2::text[], $3::float8[]) AS asked (lexeme, idf) USING (lexeme)
) AS scored
WHERE chunk.acl && $1::text[] AND scored.bm25 IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One size and one visibility. Times are of each question, in milliseconds; `cpu` is what a
    whole search took of the core, here and in the server; `overlap` is how many of exact BM25's best ten are among the
    lexical leg's candidates, `recall` how many of the ten nearest vectors among the other's; both are means over the
    questions that are answered exactly, too."""

    chunks: int
    visible: str
    lexical: list[float]
    vector: list[float]
    whole: list[float]
    cpu: list[float]
    overlap: float
    recall: float


class Given:
    """An embedder whose vectors are known: the benchmark is about what comes after."""

    name, dimension = MODEL, DIMENSION

    def __init__(self, questions: Sequence[Question]) -> None:
        self._vectors: Mapping[str, Vectors] = {each.text: each.vector for each in questions}
        self._other = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vectors.get(each, self._other) for each in texts])

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


def run(
    folder: Path, sizes: Sequence[str], questions: int, exact: int, vocabulary: Path | None, seed: int, say: Say
) -> Table:
    """Builds what is missing in `folder` and measures with so many questions, `exact` of which are answered exactly,
    too. Raises PostgresError."""
    synthetic = Synthetic(seed, [vocabulary] if vocabulary else DOCUMENTATION)
    cells: list[Cell] = []
    bases: list[Stored] = []
    with search_server(folder) as server:
        for size in sizes:
            base = stored(server, synthetic, SIZES[size], say)
            bases.append(base)
            asked = synthetic.questions(questions + WARM_UP, of=base.chunks)
            with on_one_core(server):
                for visible in VISIBLE:
                    say(f"{base.chunks:,} chunks, {visible} visible")
                    cells.append(uvloop.run(_measure(base, visible, asked, exact)))
    return _table(cells, bases, synthetic, questions, exact)


async def _measure(base: Stored, visible: str, asked: Sequence[Question], exact: int) -> Cell:
    groups = VISIBLE[visible]
    database = await Database.open(base.url, name="bench", max_size=4, statement_timeout_s=300, vectors=True)
    try:
        ranking = Ranking()
        space = VectorSpace(MODEL, DIMENSION)
        search = Search(database, Spaces(database, Shelf(Given(asked))), ranking)

        async def lexical(question: Question) -> LexicalLeg:
            async with database.connection() as conn:
                leg = await by_words(conn, question.text, knowledge_base="default", groups=groups, ranking=ranking)
            assert leg is not None
            return leg

        async def overlap(question: Question) -> float:
            leg = await lexical(question)
            exact = await _by_the_book(database, leg, groups, ranking)
            return _found({each: exact.get(each, 0.0) for each in leg.scores}, exact)

        async def vector(
            question: Question, below: int = ranking.compare_all_below, index_cost: float = ranking.index_cost
        ) -> dict[UUID, float]:
            async with database.connection() as conn:
                return await space.nearest(
                    conn,
                    question.vector,
                    knowledge_base="default",
                    groups=groups,
                    limit=ranking.candidates,
                    compare_all_below=below,
                    index_cost=index_cost,
                )

        async def whole(question: Question) -> object:
            return await search.run(question.text, knowledge_base="default", groups=groups, top_k=8)

        lexical_ms, vector_ms, whole_ms = [await _timed(each, asked) for each in (lexical, vector, whole)]
        cpu_ms = await _timed(whole, asked, cpu_s([row["pid"] for row in await database.fetch(BACKENDS)]))
        compared = asked[WARM_UP : WARM_UP + exact]
        overlaps = [await overlap(each) for each in compared]
        recalls = [_found(await vector(each), await vector(each, EVERYTHING, math.inf)) for each in compared]
        return Cell(
            base.chunks,
            visible,
            lexical_ms,
            vector_ms,
            whole_ms,
            cpu_ms,
            overlap=float(np.mean(overlaps)),
            recall=float(np.mean(recalls)),
        )
    finally:
        await database.close()


async def _by_the_book(
    database: Database, leg: LexicalLeg, groups: Sequence[str], ranking: Ranking
) -> dict[UUID, float]:
    rows = await database.fetch(
        _BY_THE_BOOK,
        list(groups),
        [each.lexeme for each in leg.terms],
        [each.idf for each in leg.terms],
        max(leg.mean_words, 1.0),
        ranking.k1,
        ranking.b,
    )
    return {row["chunk_id"]: row["bm25"] for row in rows}


async def _timed(
    call: Callable[[Question], Awaitable[object]],
    asked: Sequence[Question],
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    spent = []
    for question in asked:
        started = clock()
        await call(question)
        spent.append((clock() - started) * 1e3)
    return spent[WARM_UP:]


def cpu_s(backends: Sequence[int], *, own: bool = True) -> Callable[[], float]:
    """A clock of the CPU time of this process (if `own`) and of the server's that work for it. What else the machine
    does does not move it, as it does the others."""
    files = [Path(f"/proc/{each}/schedstat") for each in backends]
    return lambda: (time.process_time() if own else 0.0) + sum(int(each.read_text().split()[0]) for each in files) / 1e9


def _found(ours: Mapping[UUID, float], exact: Mapping[UUID, float]) -> float:
    """How much of the exact best ten is in ours, by exact scores; one of equal score is as good."""
    best = sorted(exact.values(), reverse=True)[:TOP]
    if not best:
        return 1.0
    ours_best = sorted(ours.values(), reverse=True)[: len(best)]
    return sum(score >= best[-1] - 1e-6 for score in ours_best) / len(best)


def _table(cells: Sequence[Cell], bases: Sequence[Stored], synthetic: Synthetic, questions: int, exact: int) -> Table:
    rows = [
        [
            f"{cell.chunks:,}",
            cell.visible,
            *(_three(times) for times in (cell.lexical, cell.vector, cell.whole, cell.cpu)),
            f"{cell.overlap:.3f}",
            f"{cell.recall:.3f}",
        ]
        for cell in cells
    ]
    notes = [
        f"{questions} questions, one after another; the server's work and the client's share one core. `whole` is a "
        "search from the question's vector to its evidence, both legs side by side.",
        "Overlap is with the ten best by BM25 over all that is visible, recall with the ten nearest; "
        f"{min(exact, questions)} questions each.",
        f"Vocabulary of {synthetic.vocabulary} words; vectors of {DIMENSION} dimensions around 4,000 topics; server: "
        + ", ".join(f"{name} {SETTINGS[name]}" for name in ("shared_buffers", "maintenance_work_mem"))
        + ".",
    ]
    notes += [
        f"{base.chunks:,} chunks were stored at {base.stored_per_s:,.0f} a second: words, statistics, both word "
        "indexes; one connection, without vectors."
        for base in bases
        if base.stored_per_s
    ]
    return Table(
        NAME,
        "Search by size and by how much is visible, p50 / p95 / p99 in ms",
        ["chunks", "visible", "lexical leg", "vector leg", "whole", "CPU of it", "overlap@10 with BM25", "recall@10"],
        rows,
        notes,
        goals=list(_goals(cells)),
        data={"cells": [asdict(each) for each in cells]},
    )


def _three(times: Sequence[float]) -> str:
    return " / ".join(f"{quantile(times, share):.1f}" for share in (0.5, 0.95, 0.99))


def _goals(cells: Sequence[Cell]) -> list[tuple[str, bool]]:
    worst = {size: max(quantile(each.whole, 0.95) for each in cells if each.chunks == size) for size in SIZES.values()
             if any(each.chunks == size for each in cells)}  # fmt: skip
    goals = []
    if AT in worst:
        text = f"whole search, p95 at most {MOST_P95_MS:g} ms at {AT:,} chunks in every cell: {worst[AT]:.1f} ms"
        goals.append((text, worst[AT] <= MOST_P95_MS))
    most = MOST_P95_MS * MOST_RATIO
    if SIZES["1m"] in worst:
        text = f"at 1,000,000 at most {most:g} ms: {worst[SIZES['1m']]:.1f} ms"
        goals.append((text, worst[SIZES["1m"]] <= most))
    lowest = min(each.recall for each in cells)
    goals.append((f"recall@10 at least {LEAST_RECALL} in every cell: {lowest:.3f}", lowest >= LEAST_RECALL))
    return goals
