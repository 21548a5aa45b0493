"""Latency beside the peers, and how much of the exact answers each finds, on synthetic knowledge bases of any size."""

import asyncio
import gc
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import uvloop

from bench.figures import quantile
from bench.load import LoadError
from bench.report import Table
from bench.search import exact
from bench.search.compared import NAME, OURS
from bench.search.measure import BACKENDS, SIZES, WARM_UP, Given, cpu_s
from bench.search.peer_databases import PeerDatabases, connected
from bench.search.peer_stores import PEERS, Asked, Runner, environment, give_chunks
from bench.search.stored import BUILD_TIMEOUT_S, Stored, on_one_core, search_server, stored
from bench.search.synthetic import DOCUMENTATION, VISIBLE, Floats, Question, Synthetic, chunk_number
from bench.side_by_side import Say
from db.postgres import PostgresServer
from meshkit.models.shelf import Shelf
from meshkit.postgres import Database
from svc_retrieval.results import Result
from svc_retrieval.search import Search
from svc_retrieval.spaces import Spaces

# Enough for both exact tens.
TOP = 20
# A peer that takes over a second a question is asked fewer.
MOST_S = 200.0
FIRST = 10
# What the exact legs would find alone, among the systems' qualities.
VECTORS, WORDS = "vectors alone", "words alone"
_STEMS = "SELECT word, (ts_lexize('english_stem', word))[1] AS stem FROM unnest($1::text[]) AS word"


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
    """One size. `missing` says why a peer has no answers; `quality` is also of VECTORS and WORDS."""

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
        """Of all that each system found (it may have been asked the first of the questions only), and of what each
        exact leg alone would show."""
        counted: dict[str, list[tuple[float, float, bool]]] = {system: [] for system in (*ranked, VECTORS, WORDS)}
        for place, question in enumerate(asked):
            near, words = self._vectors @ question.vector, self._bm25.scores(question.text)
            shown = {system: each[place] for system, each in ranked.items() if place < len(each)}
            shown |= {VECTORS: exact.in_order(near)[:TOP], WORDS: exact.in_order(words)[:TOP]}
            for system, found in shown.items():
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
    with tempfile.TemporaryDirectory(prefix="peers-", dir=folder) as name:
        place = Path(name)
        give_chunks(place, ((str(number), text) for number, text in enumerate(texts)), vectors)
        peers = PeerDatabases(server, runner, place, chunks, _asked(asked), say)
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
                    found = asyncio.run(peers.ask(peer))
                    ranked = [[int(each) for each in chosen] for chosen in found["ranked"]]
                    answers[peer] = Answers(ranked, found["ms"], found["cpu_ms"], took)
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


async def _ask_ours(base: Stored, asked: Sequence[Question], server: PostgresServer) -> Answers:
    database = await Database.open(base.url, name="bench", max_size=4, statement_timeout_s=300, vectors=True)
    try:
        search = Search(database, Spaces(database, Shelf(Given(asked))))

        async def ask(question: Question) -> Result:
            return await search.run(question.text, knowledge_base="default", groups=VISIBLE["100 %"], top_k=TOP)

        for question in asked[:WARM_UP]:
            await ask(question)
        # What the bench holds, all texts among it, is set aside, as a service does with what it has loaded: the peers'
        # processes have nothing of the kind that a garbage collection would have to walk through.
        gc.collect()
        gc.freeze()
        backends = cpu_s([row["pid"] for row in await database.fetch(BACKENDS)])
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
        gc.unfreeze()
        await database.close()


async def _stems(url: str, texts: Sequence[str]) -> dict[str, str | None]:
    """The stems of all words, from PostgreSQL's own English dictionary, by which everybody indexes here."""
    words = sorted({word for text in texts for word in text.split()})
    async with connected(url) as conn:
        rows = await conn.fetch(_STEMS, words, timeout=BUILD_TIMEOUT_S)
    return {row["word"]: row["stem"] for row in rows}


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
        "these questions; four words of each are drawn from the whole vocabulary, so that a search for chunks with all "
        "words finds few.",
        *(
            f"{sized.chunks:,} chunks: the {TOP} nearest vectors alone hold {sized.quality[VECTORS].best:.3f} of the "
            f"ten best by BM25, and the {TOP} best by BM25 {sized.quality[WORDS].nearest:.3f} of the ten nearest."
            for sized in found
        ),
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
    alone = {each: asdict(sized.quality[each]) for each in (VECTORS, WORDS)}
    return {**measured, **alone, **{system: {"missing": reason} for system, reason in sized.missing.items()}}
