"""Latency beside the peers, and how much of the exact answers each finds, on synthetic knowledge bases of any size."""

import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import psutil
import uvloop

from bench.figures import quantile
from bench.load import LoadError
from bench.report import Table
from bench.search import exact
from bench.search.compared import NAME, OURS, TOP
from bench.search.measure import SIZES, WARM_UP, Given, cpu_s
from bench.search.peer_stores import (
    PEERS,
    REQUIREMENTS,
    Asked,
    Runner,
    environment,
    give_chunks,
    give_questions,
    run_peer,
)
from bench.search.stored import BUILD_TIMEOUT_S, Stored, on_one_core, search_server, stored
from bench.search.synthetic import DOCUMENTATION, VISIBLE, Floats, Question, Synthetic, chunk_number
from bench.side_by_side import Say
from db.postgres import PostgresServer
from meshkit.models.shelf import Shelf
from meshkit.postgres import Database
from svc_retrieval.results import Result
from svc_retrieval.search import Search
from svc_retrieval.spaces import Spaces

# What a hundred thousand chunks may take to load; more take more.
LOAD_TIMEOUT_S, LOAD_TIMEOUT_CHUNKS = 2400.0, 100_000
# A peer that takes over a second a question is asked fewer.
MOST_S, ASK_TIMEOUT_S = 200.0, 400.0
FIRST = 10
_STEMS = "SELECT word, (ts_lexize('english_stem', word))[1] AS stem FROM unnest($1::text[]) AS word"
_WARM = """
SELECT pg_prewarm(oid::regclass)
FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 't', 'i')
ORDER BY relkind = 'i', oid
"""
_INDEX_KINDS = """
SELECT array_agg(DISTINCT amname)
FROM pg_class JOIN pg_am ON pg_am.oid = relam
WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace
"""
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
_DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"


@dataclass(frozen=True, slots=True)
class Answers:
    """What one system found: for each question that it was asked the chunks' numbers, best first, the milliseconds, and
    those of CPU, here and in the server. `loaded_s` is what its loading took, None of ours."""

    ranked: list[list[int]]
    ms: list[float]
    cpu_ms: list[float]
    loaded_s: float | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over the questions that were asked: how much of the ten nearest vectors and of the ten best by BM25 is
    found, and how often the chunk that the question was made from is among the first ten."""

    nearest: float
    best: float
    source: float


@dataclass(frozen=True, slots=True)
class Sized:
    """One size. `missing` says why a peer has no answers."""

    chunks: int
    answers: Mapping[str, Answers]
    quality: Mapping[str, Quality]
    missing: Mapping[str, str]


class Exact:
    """The exact answers to questions about chunks that count from 0."""

    def __init__(self, texts: Sequence[str], vectors: Floats, stems: Mapping[str, str | None] | None = None) -> None:
        self._bm25 = exact.Bm25(texts, stems)
        self._vectors = vectors

    def quality(self, asked: Sequence[Question], ranked: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, Quality]:
        """Of all that each system found; it may have been asked the first of the questions only."""
        counted: dict[str, list[tuple[float, float, bool]]] = {system: [] for system in ranked}
        for place, question in enumerate(asked):
            near, words = self._vectors @ question.vector, self._bm25.scores(question.text)
            for system, each in ranked.items():
                if place < len(each):
                    found = each[place]
                    shares = exact.share_of_best(near, found), exact.share_of_best(words, found)
                    counted[system].append((*shares, question.source in found[:FIRST]))
        return {system: Quality(*np.mean(each, axis=0).tolist()) for system, each in counted.items()}


def run(folder: Path, sizes: Sequence[str], questions: int, vocabulary: Path | None, seed: int, say: Say) -> Table:
    """Builds what is missing in `folder`, of ours and of the peers', and measures. Raises PostgresError, and LoadError
    where the peers can't be installed; a peer that fails is named in the table."""
    runner = environment(say)
    synthetic = Synthetic(seed, [vocabulary] if vocabulary else DOCUMENTATION)
    with search_server(folder) as server:
        found = [one_size(server, runner, folder, synthetic, SIZES[size], questions, say) for size in sizes]
    return table(found, questions)


def one_size(
    server: PostgresServer, runner: Runner, folder: Path, synthetic: Synthetic, chunks: int, questions: int, say: Say
) -> Sized:
    """Loads what is not loaded yet, and asks everybody the same."""
    asked = synthetic.questions(questions + WARM_UP, of=chunks)
    counted = asked[WARM_UP:]
    say(f"making {chunks:,} chunks")
    texts: list[str] = []
    vectors = np.empty((chunks, len(asked[0].vector)), dtype=np.float32)
    for block in synthetic.chunks(chunks):
        vectors[len(texts) : len(texts) + len(block)] = [each.vector for each in block]
        texts += [each.text for each in block]
    answers: dict[str, Answers] = {}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="peers-", dir=folder) as name:
        place = Path(name)
        give_chunks(place, ((str(number), text) for number, text in enumerate(texts)), vectors)
        peers = _Peers(server, runner, place, chunks, _asked(asked), say)
        loaded_s = {peer: asyncio.run(peers.load(peer)) for peer in PEERS}
        missing = {peer: reason for peer, reason in loaded_s.items() if isinstance(reason, str)}
        base = stored(server, synthetic, chunks, say)
        say(f"{chunks:,} chunks: working out the exact answers")
        exactly = Exact(texts, vectors, asyncio.run(_stems(server.url(), texts)))
        with on_one_core(server):
            say(f"{chunks:,} chunks: {OURS}")
            answers[OURS] = uvloop.run(_ask_ours(base, asked, server))
            for peer, took in loaded_s.items():
                if isinstance(took, str):
                    continue
                say(f"{chunks:,} chunks: {peer}")
                try:
                    answers[peer] = asyncio.run(peers.ask(peer, took))
                except LoadError as error:
                    missing[peer] = str(error)
    say(f"{chunks:,} chunks: comparing with the exact answers")
    quality = exactly.quality(counted, {system: each.ranked for system, each in answers.items()})
    return Sized(chunks, answers, quality, missing)


def _asked(questions: Sequence[Question]) -> Asked:
    return Asked(
        [each.text for each in questions],
        np.stack([each.vector for each in questions]),
        warm_up=WARM_UP,
        top=TOP,
        most_s=MOST_S,
    )


class _Peers:
    """The peers at one size, each in a database of its own, which is marked when all is loaded."""

    def __init__(
        self, server: PostgresServer, runner: Runner, folder: Path, chunks: int, asked: Asked, say: Say
    ) -> None:
        self._server, self._runner, self._folder, self._chunks, self._asked = server, runner, folder, chunks, asked
        self._say = say

    async def load(self, peer: str) -> float | str:
        """Seconds that loading took, now or in an earlier run; or why it is not loaded."""
        name = self._database(peer)
        requirements = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
        async with _connected(self._server.url()) as root:
            mark = await root.fetchval(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", name
            )
            made = json.loads(mark) if mark else {}
            if made.get("requirements") == requirements:
                return float(made["loaded_s"])
            await root.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await root.execute(f"CREATE DATABASE {name}")
            self._say(f"{self._chunks:,} chunks: loading {peer}")
            try:
                took = await self._load(peer)
            except LoadError as error:
                await root.execute(f"DROP DATABASE {name} WITH (FORCE)")
                return str(error)
            mark = json.dumps({"requirements": requirements, "loaded_s": round(took, 1)})
            await root.execute(f"COMMENT ON DATABASE {name} IS '{mark}'")
            return took

    async def _load(self, peer: str) -> float:
        timeout_s = LOAD_TIMEOUT_S * max(1.0, self._chunks / LOAD_TIMEOUT_CHUNKS)
        async with _connected(self._url(peer)) as conn:
            await conn.execute("CREATE EXTENSION vector")
            found = await self._run(peer, "load", timeout_s)
            kinds = await conn.fetchval(_INDEX_KINDS) or []
            if not {"hnsw", "gin"} <= set(kinds):
                raise LoadError(f"{peer} made no index of its vectors or none of its words: {', '.join(kinds)}")
            await conn.execute("VACUUM ANALYZE", timeout=BUILD_TIMEOUT_S)
            return float(found["loaded_s"])

    async def ask(self, peer: str, loaded_s: float) -> Answers:
        """Brings its tables into memory, as ours are, and asks. Raises LoadError."""
        async with _connected(self._url(peer)) as conn:
            await conn.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            await conn.execute(_WARM, timeout=BUILD_TIMEOUT_S)
        try:
            found = await self._run(peer, "ask", ASK_TIMEOUT_S)
        finally:
            async with _connected(self._server.url()) as root:
                # What it left behind would go on to work beside the next.
                await root.fetch(_DISCONNECT, self._database(peer))
        ranked = [[int(each) for each in ranked] for ranked in found["ranked"]]
        return Answers(ranked, found["ms"], found["cpu_ms"], loaded_s)

    async def _run(self, peer: str, step: str, timeout_s: float) -> dict[str, Any]:
        give_questions(self._folder, self._url(peer), self._asked, chunks=self._chunks, indexed=True)
        return await run_peer(self._runner, peer, self._folder, (step,), timeout_s, self._say)

    def _database(self, peer: str) -> str:
        return f"{peer.lower()}_{self._chunks}"

    def _url(self, peer: str) -> str:
        return self._server.url(database=self._database(peer))


async def _ask_ours(base: Stored, asked: Sequence[Question], server: PostgresServer) -> Answers:
    database = await Database.open(base.url, name="bench", max_size=4, statement_timeout_s=300, vectors=True)
    try:
        search = Search(database, Spaces(database, Shelf(Given(asked))))

        async def ask(question: Question) -> Result:
            return await search.run(question.text, knowledge_base="default", groups=VISIBLE["100 %"], top_k=TOP)

        for question in asked[:WARM_UP]:
            await ask(question)
        backends = cpu_s([row["pid"] for row in await database.fetch(_BACKENDS)])
        main = psutil.Process(server.pid)

        def cpu() -> float:
            # Workers that a statement had beside it count when they have ended.
            ended = main.cpu_times()
            return backends() + ended.children_user + ended.children_system

        answers = Answers([], [], [])
        for question in asked[WARM_UP:]:
            used, started = cpu(), time.perf_counter()
            result = await ask(question)
            answers.ms.append((time.perf_counter() - started) * 1e3)
            answers.cpu_ms.append((cpu() - used) * 1e3)
            answers.ranked.append([chunk_number(each.passage.chunk_id) for each in result.found])
        return answers
    finally:
        await database.close()


async def _stems(url: str, texts: Sequence[str]) -> dict[str, str | None]:
    """The stems of all words, from PostgreSQL's own English dictionary, by which everybody indexes here."""
    words = sorted({word for text in texts for word in text.split()})
    async with _connected(url) as conn:
        rows = await conn.fetch(_STEMS, words, timeout=BUILD_TIMEOUT_S)
    return {row["word"]: row["stem"] for row in rows}


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(url)
    try:
        yield conn
    finally:
        await conn.close()


def table(found: Sequence[Sized], questions: int) -> Table:
    """A row for each system at each size."""
    rows: list[list[str]] = []
    goals: list[tuple[str, bool]] = []
    fewer: list[str] = []
    for sized in found:
        for system in (*PEERS, OURS):
            if system in sized.missing:
                rows.append([f"{sized.chunks:,}", system, *["–"] * 6])
                continue
            answers, quality = sized.answers[system], sized.quality[system]
            rows.append(
                [
                    f"{sized.chunks:,}",
                    system,
                    " / ".join(f"{quantile(answers.ms, share):.1f}" for share in (0.5, 0.95, 0.99)),
                    f"{np.mean(answers.cpu_ms):.1f}",
                    *(f"{each:.3f}" for each in (quality.nearest, quality.best, quality.source)),
                    "–" if answers.loaded_s is None else f"{answers.loaded_s:.0f}",
                ]
            )
            if len(answers.ms) < questions:
                fewer.append(f"{system} was asked only {len(answers.ms)} questions at {sized.chunks:,} chunks: "
                             f"they took {MOST_S:g} s.")  # fmt: skip
        goals += _goal(sized)
    notes = [
        f"{questions} questions, one after another, {WARM_UP} others before them; the server's work and the client's "
        "share one core, all tables are in the server's memory, nobody's embedding of the question is measured. The "
        "same chunks and vectors; everything is visible, and ours asks with the groups that see everything.",
        f"Each is asked for {TOP} chunks. LlamaIndex does not join its legs: it brings up to {TOP} of each, and all "
        "count. Peers have a GIN index of their words and an HNSW index of their vectors by their documentation (m 16, "
        "ef_construction 64, ef_search 40).",
        "Exact answers: all vectors compared; BM25 over all chunks, of PostgreSQL's English stems, k1 1.2, b 0.75. "
        "`source` is how often the chunk that the question was made from is among the first ten. Nobody has judged "
        "these questions; a third or more of their words is not in that chunk, so that a search that wants all words "
        "finds few by words.",
        *fewer,
        *(f"{sized.chunks:,} chunks: {reason}" for sized in found for reason in sized.missing.values()),
    ]
    columns = ["chunks", "search", "p50 / p95 / p99 ms",
        "CPU of it, mean", "of the 10 nearest", "of the 10 best by BM25", "source",
               "loading, s"]  # fmt: skip
    data = {str(sized.chunks): _data(sized) for sized in found}
    return Table(NAME, "Search beside its peers, by size", columns, rows, notes, goals, data)


def _goal(sized: Sized) -> list[tuple[str, bool]]:
    p95 = {system: quantile(each.ms, 0.95) for system, each in sized.answers.items()}
    ours = p95.pop(OURS)
    if not p95:
        return []
    fastest = min(p95, key=lambda each: p95[each])
    text = (
        f"at {sized.chunks:,} chunks p95 at most half of the fastest peer's: {ours:.1f} ms, "
        f"{ours / p95[fastest]:.2f} of {fastest}'s {p95[fastest]:.1f}"
    )
    return [(text, ours <= p95[fastest] / 2)]


def _data(sized: Sized) -> dict[str, object]:
    measured = {
        system: {
            "ms": each.ms,
            "cpu_ms": each.cpu_ms,
            "questions": len(each.ms),
            "loaded_s": each.loaded_s,
            **asdict(sized.quality[system]),
        }
        for system, each in sized.answers.items()
    }
    return {**measured, **{system: {"missing": reason} for system, reason in sized.missing.items()}}
