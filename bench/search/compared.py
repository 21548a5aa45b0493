"""Quality and latency beside the peers, on every question set with judgments."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from pgvector.asyncpg import register_vector

from bench.figures import quantile
from bench.load import LoadError
from bench.report import Table
from bench.search.peer_stores import PEERS, Asked, Runner, environment, give_chunks, give_questions, run_peer
from bench.search.synthetic import REPOSITORY
from bench.side_by_side import Say
from db.bootstrap import DATABASE
from db.postgres import PostgresServer
from evals import metrics
from evals.desk import Progress, open_desk
from evals.ranking import pages
from evals.sets import TEST, EvalSet, read_set
from evals.submitting import to_corpus
from meshkit.models.embeddings import Embedder
from meshkit.models.shelf import Shelf
from meshkit.models.vectors import Vectors
from meshkit.postgres import Database
from svc_retrieval.search import Search
from svc_retrieval.spaces import Spaces
from svc_retrieval.wiring import vector_index_settings, with_server_settings

NAME = "peers"
OURS = "Groundline"
SETS = REPOSITORY.parent / "shared/data/evals"
# As many as nDCG@10 looks at.
TOP = 10
PEER_TIMEOUT_S = 300.0
WARM_UP = 20

_CHUNKS = """
SELECT chunk.chunk_id::text AS id, document.uri, document.title || E'\\n' || chunk.text AS text,
    embedding.embedding_vector AS vector
FROM knowledge.doc_chunks chunk
JOIN knowledge.documents document USING (doc_id)
JOIN knowledge.doc_embeddings embedding USING (chunk_id)
ORDER BY chunk.chunk_id
"""

FIRST = "first_ms"
Found = Mapping[str, Mapping[str, list[Any]]]
"""By name: `ranked`, the pages found for each question, and `ms`, how long it took; of ours FIRST, too: how long
the first time took."""


class _Remembering:
    """Our embedder, but for questions whose vectors are known: nobody's embedding is measured."""

    def __init__(self, embedder: Embedder, known: Mapping[str, Vectors]) -> None:
        self._embedder, self._known = embedder, known
        self.name, self.dimension = embedder.name, embedder.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        known = self._known.get(texts[0]) if len(texts) == 1 else None
        return known[None] if known is not None else await self._embedder.embed(texts)

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


def run(folder: Path, sets: Path, questions: int, say: Say) -> Table:
    """Raises LoadError where there are no sets, or the peers don't run."""
    there = [sets, *sorted(sets.iterdir())] if sets.is_dir() else []
    folders = [each for each in there if (each / "qrels.tsv").is_file()]
    if not folders:
        raise LoadError(f"{sets} neither is nor holds a set with judgments")
    runner = environment(say)
    found: dict[str, tuple[EvalSet, Found]] = {}
    for at, each in enumerate(folders, start=1):
        eval_set = read_set(each).sampled(questions, part=TEST)
        name = eval_set.name
        say(f"{name}, set {at} of {len(folders)}: {len(eval_set.queries)} questions")
        # PostgreSQL's own account must get through to its files.
        place = folder / name
        place.mkdir(mode=0o711)
        found[name] = eval_set, asyncio.run(_one_set(place, eval_set, runner, say))
    return _table(found)


async def _one_set(folder: Path, eval_set: EvalSet, runner: Runner, say: Say) -> Found:
    server = PostgresServer(folder / "pg", settings={"fsync": "off", "synchronous_commit": "off"})
    corpus = to_corpus(eval_set.documents)
    async with open_desk(server=server) as desk:
        await desk.ingest(corpus.submissions, _said(say, eval_set.name))
        queries = list(dict.fromkeys(each.text for each in eval_set.queries))
        vectors = {each: (await desk.embedder.embed([each]))[0] for each in queries}
        owner = await asyncpg.connect(server.url(database=DATABASE))
        try:
            await register_vector(owner)
            await owner.execute("VACUUM ANALYZE")
            chunks = await owner.fetch(_CHUNKS)
            await owner.execute("CREATE DATABASE peers")
        finally:
            await owner.close()
        peers = await asyncpg.connect(server.url(database="peers"))
        await peers.execute("CREATE EXTENSION vector")
        await peers.close()
        # As in a process that has been up for a while: every question once before it is measured.
        asked = Asked(
            [*queries, *queries],
            np.stack([vectors[each] for each in (*queries, *queries)]),
            warm_up=len(queries),
            top=TOP,
            most_s=PEER_TIMEOUT_S,
        )
        give_chunks(
            folder,
            ((each["id"], each["text"]) for each in chunks),
            np.stack([each["vector"].to_numpy() for each in chunks]),
        )
        give_questions(folder, server.url(database="peers"), asked, chunks=len(chunks), indexed=False)
        theirs = {}
        for peer in PEERS:
            say(f"{eval_set.name}: {peer}, {len(chunks)} chunks")
            theirs[peer] = await run_peer(runner, peer, folder, ("load", "ask"), PEER_TIMEOUT_S, say)
        page_of = {each["id"]: corpus.doc_ids[each["uri"]] for each in chunks}
        found = {
            name: {"ranked": [[page_of[chunk] for chunk in ranked] for ranked in each["ranked"]], "ms": each["ms"]}
            for name, each in theirs.items()
        }
        say(f"{eval_set.name}: ours")
        url = with_server_settings(server.url("groundline_retrieval", DATABASE), vector_index_settings(100))
        database = await Database.open(url, name="bench", max_size=4, vectors=True)
        try:
            search = Search(database, Spaces(database, Shelf(_Remembering(desk.embedder, vectors))))
            found[OURS] = await _ask_ours(search, queries, corpus.doc_ids)
        finally:
            await database.close()
    # One figure a question, though two may be worded alike.
    place = {text: number for number, text in enumerate(queries)}
    order = [place[each.text] for each in eval_set.queries]
    return {
        name: {key: values if key == FIRST else [values[at] for at in order] for key, values in each.items()}
        for name, each in found.items()
    }


def _said(say: Say, name: str) -> Progress:
    """Says every tenth of an ingestion."""
    said = 0

    def progress(what: str, done: int, total: int) -> None:
        nonlocal said
        if total and done * 10 // total > said:
            said = done * 10 // total
            say(f"{name}: {what}, {done} of {total}")

    return progress


async def _ask_ours(search: Search, queries: Sequence[str], doc_ids: Mapping[str, str]) -> dict[str, list[Any]]:
    ranked, spent = [], []
    for text in [*queries, *queries]:
        started = time.perf_counter()
        result = await search.run(text, knowledge_base="default", groups=("public",), top_k=TOP)
        spent.append((time.perf_counter() - started) * 1e3)
        ranked.append(pages(result.found, doc_ids))
    again = len(queries)
    return {"ranked": ranked[again:], "ms": spent[again:], FIRST: spent[WARM_UP:again] or spent[:again]}


def _table(found: Mapping[str, tuple[EvalSet, Found]]) -> Table:
    rows, goals, data = [], [], {}
    better, faster = True, True
    for name, (eval_set, systems) in found.items():
        gains = [eval_set.relevant.get(each.query_id, {}) for each in eval_set.queries]
        scores = {
            system: [
                metrics.ndcg(list(dict.fromkeys(ranked)), gain)
                for ranked, gain in zip(each["ranked"], gains, strict=True)
                if gain
            ]
            for system, each in systems.items()
        }
        quality = {system: metrics.mean(each) for system, each in scores.items()}
        # Question by question: the same are hard for all, so that this says more than two intervals side by side.
        ahead = {
            system: metrics.mean([ours - theirs for ours, theirs in zip(scores[OURS], each, strict=True)])
            for system, each in scores.items()
            if system != OURS
        }
        p95 = {system: quantile(each["ms"], 0.95) for system, each in systems.items()}
        for system, each in systems.items():
            shown = quality[system]
            rows.append(
                [
                    name,
                    system,
                    f"{shown.value:.3f} ({shown.low:.3f} – {shown.high:.3f})",
                    _signed(ahead[system]) if system in ahead else f"of {shown.n} judged questions",
                    f"{quantile(each['ms'], 0.5):.1f} / {p95[system]:.1f}",
                ]
            )
        others = [each for each in systems if each != OURS]
        better &= all(quality[OURS].value > quality[each].value for each in others)
        faster &= p95[OURS] <= min(p95[each] for each in others) / 2
        data[name] = {each: {"ndcg_at_10": quality[each].value, "ms": systems[each]["ms"]} for each in systems}
    goals = [("better nDCG@10 than each peer on every set", better), ("half of the fastest one's p95, or less", faster)]
    notes = [
        "The same server, chunks and vectors; one question at a time; nobody's embedding of the question is measured. "
        f"Each is asked for {TOP} chunks; a page counts where its first chunk stands, one whose text was folded into "
        "another's right behind that. The reporting half's questions. Every question was asked once before.",
        f"{OURS} when each was asked for the first time, and had to embed titles that it had not met: p50 / p95 "
        + ", ".join(
            f"{name} {quantile(each[OURS][FIRST], 0.5):.1f} / {quantile(each[OURS][FIRST], 0.95):.1f}"
            for name, (_, each) in found.items()
        )
        + " ms.",
    ]
    columns = ["set", "search", "nDCG@10 (95% interval)", f"{OURS} ahead by", "p50 / p95 ms"]
    return Table(NAME, "Search beside its peers", columns, rows, notes, goals, data)


def _signed(figure: metrics.Figure) -> str:
    return f"{figure.value:+.3f} ({figure.low:+.3f} – {figure.high:+.3f})"
