"""A peer at work: `python search_stores.py NAME FOLDER [load] [ask]` in their own environment, with nothing of ours.

FOLDER holds what is given: given.json (`url`, `top`, `chunks`, `dimension`, `indexed`, `warm_up`, `most_s`, `queries`),
chunks.jsonl (`id`, `text`), vectors.npy and query_vectors.npy, row by row. What comes out is found.json; on the way,
each line of standard output says how far it is.

Each is set up as its documentation says for hybrid search, asked for `top` chunks, and given as many of each leg. Where
`indexed` is set, its vectors have the HNSW index that its documentation recommends for many: the values there, which
are pgvector's own defaults. Without it, each compares all vectors, as it does by default.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

Ask = Callable[[str, Sequence[float]], list[str]]
BATCH = 1_000
# pgvector's defaults, which are in LlamaIndex's documentation, too; the two others leave them alone.
HNSW = {
    "hnsw_m": 16,
    "hnsw_ef_construction": 64,
    "hnsw_ef_search": 40,
    "hnsw_dist_method": "vector_cosine_ops",
}


class Given:
    """What is in the folder."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "given.json").read_text(encoding="utf-8"))
        self.url: str = settings["url"]
        self.top: int = settings["top"]
        self.chunks: int = settings["chunks"]
        self.dimension: int = settings["dimension"]
        self.indexed: bool = settings["indexed"]
        self.warm_up: int = settings["warm_up"]
        self.most_s: float = settings["most_s"]
        self.queries: list[str] = settings["queries"]
        self.query_vectors: list[list[float]] = np.load(folder / "query_vectors.npy").tolist()
        self._folder = folder

    def batches(self) -> Iterator[tuple[list[dict[str, str]], list[list[float]]]]:
        """The chunks with their vectors, some at a time; says how far it is."""
        vectors = np.load(self._folder / "vectors.npy", mmap_mode="r")
        with (self._folder / "chunks.jsonl").open(encoding="utf-8") as file:
            for at in range(0, self.chunks, BATCH):
                if at % (10 * BATCH) == 0:
                    print(f"loading: {at:,} of {self.chunks:,}", flush=True)
                yield [json.loads(line) for line in islice(file, BATCH)], vectors[at : at + BATCH].tolist()


def langchain(given: Given, load: bool) -> Ask:
    """langchain-postgres: PGVectorStore with a HybridSearchConfig, joined by its reciprocal rank fusion."""
    from langchain_core.embeddings import Embeddings  # type: ignore[import-not-found]
    from langchain_postgres import PGEngine, PGVectorStore  # type: ignore[import-not-found]
    from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig, reciprocal_rank_fusion  # type: ignore[import-not-found]
    from langchain_postgres.v2.indexes import HNSWIndex  # type: ignore[import-not-found]

    vectors = dict(zip(given.queries, given.query_vectors, strict=True))

    class Known(Embeddings):  # type: ignore[misc]
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise NotImplementedError

        def embed_query(self, text: str) -> list[float]:
            return vectors[text]

    top = given.top
    hybrid = HybridSearchConfig(
        tsv_column="content_tsv",
        fusion_function=reciprocal_rank_fusion,
        fusion_function_parameters={"rrf_k": 60, "fetch_top_k": top},
        primary_top_k=top,
        secondary_top_k=top,
    )
    engine = PGEngine.from_connection_string(given.url.replace("postgresql://", "postgresql+psycopg://"))
    if load:
        engine.init_vectorstore_table("langchain", given.dimension, hybrid_search_config=hybrid)
    store = PGVectorStore.create_sync(engine, Known(), "langchain", hybrid_search_config=hybrid, k=top)
    if load:
        for chunks, block in given.batches():
            store.add_embeddings(
                [each["text"] for each in chunks], block, metadatas=[{"number": each["id"]} for each in chunks]
            )
        print("making the indexes", flush=True)
        if given.indexed:
            store.apply_vector_index(HNSWIndex())
        store.apply_hybrid_search_index()

    def ask(text: str, _vector: Sequence[float]) -> list[str]:
        # Of the configuration that the store has, its first search keeps its words for all that follow
        # (langchain-postgres, issue 337): each question brings its own.
        own = replace(hybrid, fts_query=text)
        return [each.metadata["number"] for each in store.similarity_search(text, k=top, hybrid_search_config=own)]

    return ask


def llama_index(given: Given, load: bool) -> Ask:
    """llama-index: PGVectorStore with hybrid_search, in its HYBRID mode. It brings both legs' chunks, one leg after the
    other."""
    from llama_index.core.schema import TextNode  # type: ignore[import-not-found]
    from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode  # type: ignore[import-not-found]
    from llama_index.vector_stores.postgres import PGVectorStore  # type: ignore[import-not-found]

    top, url = given.top, given.url
    store = PGVectorStore.from_params(
        connection_string=url.replace("postgresql://", "postgresql+psycopg2://"),
        async_connection_string=url.replace("postgresql://", "postgresql+asyncpg://"),
        table_name="llama",
        hybrid_search=True,
        embed_dim=given.dimension,
        hnsw_kwargs=dict(HNSW) if given.indexed else None,
        # What is made already is not made again.
        perform_setup=load,
    )
    if load:
        for chunks, block in given.batches():
            store.add(
                [
                    TextNode(id_=each["id"], text=each["text"], embedding=vector)
                    for each, vector in zip(chunks, block, strict=True)
                ]
            )

    def ask(text: str, vector: Sequence[float]) -> list[str]:
        query = VectorStoreQuery(
            query_embedding=list(vector),
            query_str=text,
            similarity_top_k=top,
            sparse_top_k=top,
            mode=VectorStoreQueryMode.HYBRID,
        )
        return list(store.query(query).ids or [])

    return ask


def haystack(given: Given, load: bool) -> Ask:
    """pgvector-haystack: the embedding and the keyword retriever, joined by reciprocal rank fusion."""
    from haystack import Document  # type: ignore[import-not-found]
    from haystack.components.joiners import DocumentJoiner  # type: ignore[import-not-found]
    from haystack.utils import Secret  # type: ignore[import-not-found]
    from haystack_integrations.components.retrievers.pgvector import (  # type: ignore[import-not-found]
        PgvectorEmbeddingRetriever,
        PgvectorKeywordRetriever,
    )
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore  # type: ignore[import-not-found]

    top = given.top
    store = PgvectorDocumentStore(
        connection_string=Secret.from_token(given.url),
        embedding_dimension=given.dimension,
        search_strategy="hnsw" if given.indexed else "exact_nearest_neighbor",
    )
    if load:
        for chunks, block in given.batches():
            store.write_documents(
                [
                    Document(id=each["id"], content=each["text"], embedding=vector)
                    for each, vector in zip(chunks, block, strict=True)
                ]
            )
    near = PgvectorEmbeddingRetriever(document_store=store, top_k=top)
    words = PgvectorKeywordRetriever(document_store=store, top_k=top)
    join = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=top)

    def ask(text: str, vector: Sequence[float]) -> list[str]:
        legs = [near.run(query_embedding=list(vector))["documents"], words.run(query=text)["documents"]]
        return [each.id for each in join.run(documents=legs)["documents"]]

    return ask


PEERS = {"LangChain": langchain, "LlamaIndex": llama_index, "Haystack": haystack}


def main(name: str, place: str, *steps: str) -> None:
    """Loads what is given, asks what is given, or both."""
    folder = Path(place)
    given = Given(folder)
    found: dict[str, Any] = {}
    started = time.perf_counter()
    ask = PEERS[name](given, "load" in steps)
    if "load" in steps:
        found["loaded_s"] = time.perf_counter() - started
    if "ask" in steps:
        found.update(_asked(given, ask))
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


def _asked(given: Given, ask: Ask) -> dict[str, list[Any]]:
    """The ranking, the milliseconds and the milliseconds of CPU of each question after the warm-up; of fewer, where
    `most_s` were over."""
    pairs = list(zip(given.queries, given.query_vectors, strict=True))
    until = time.perf_counter() + given.most_s / 4
    for text, vector in pairs[: given.warm_up]:
        ask(text, vector)
        if time.perf_counter() > until:
            break
    found: dict[str, list[Any]] = {"ranked": [], "ms": [], "cpu_ms": []}
    cpu_s = _cpu_clock(given.url)
    until = time.perf_counter() + given.most_s
    for text, vector in pairs[given.warm_up :]:
        used, started = cpu_s(), time.perf_counter()
        found["ranked"].append(ask(text, vector))
        ended = time.perf_counter()
        found["ms"].append((ended - started) * 1e3)
        found["cpu_ms"].append((cpu_s() - used) * 1e3)
        if ended > until:
            break
    return found


def _cpu_clock(url: str) -> Callable[[], float]:
    """The CPU seconds of this process, of the server's that work for it (they stay, for each store keeps its
    connections), and of the workers that those had beside them and that have ended."""
    import psycopg  # type: ignore[import-not-found]

    with psycopg.connect(url) as conn:
        rows = conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()"
        ).fetchall()
        server = int(_fields(conn.info.backend_pid)[1])
    files = [Path(f"/proc/{pid}/schedstat") for (pid,) in rows]

    def read() -> float:
        backends_s = sum(int(each.read_text().split()[0]) for each in files) / 1e9
        return time.process_time() + backends_s + sum(map(int, _fields(server)[13:15])) / os.sysconf("SC_CLK_TCK")

    return read


def _fields(pid: int) -> list[str]:
    """What /proc says of a process, behind its name: its state, its parent, …; its ended children's CPU is [13:15]."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


if __name__ == "__main__":
    main(*sys.argv[1:])
