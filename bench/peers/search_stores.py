"""A peer at work: `python search_stores.py NAME given.json found.json` in their own environment, with nothing of ours.

Each is set up as its documentation says for hybrid search, asked for `top` chunks, and given as many of each leg.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Ask = Callable[[str, Sequence[float]], list[str]]


def langchain(given: dict[str, Any]) -> Ask:
    """langchain-postgres: PGVectorStore with a HybridSearchConfig, joined by its reciprocal rank fusion."""
    from langchain_core.embeddings import Embeddings  # type: ignore[import-not-found]
    from langchain_postgres import PGEngine, PGVectorStore  # type: ignore[import-not-found]
    from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig, reciprocal_rank_fusion  # type: ignore[import-not-found]

    vectors = dict(zip(given["queries"], given["query_vectors"], strict=True))

    class Known(Embeddings):  # type: ignore[misc]
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise NotImplementedError

        def embed_query(self, text: str) -> list[float]:
            known: list[float] = vectors[text]
            return known

    top = given["top"]
    hybrid = HybridSearchConfig(
        tsv_column="content_tsv",
        fusion_function=reciprocal_rank_fusion,
        fusion_function_parameters={"rrf_k": 60, "fetch_top_k": top},
        primary_top_k=top,
        secondary_top_k=top,
    )
    engine = PGEngine.from_connection_string(given["url"].replace("postgresql://", "postgresql+psycopg://"))
    engine.init_vectorstore_table("langchain", len(given["vectors"][0]), hybrid_search_config=hybrid)
    store = PGVectorStore.create_sync(engine, Known(), "langchain", hybrid_search_config=hybrid, k=top)
    chunks = given["chunks"]
    store.add_embeddings(
        [each["text"] for each in chunks], given["vectors"], metadatas=[{"number": each["id"]} for each in chunks]
    )
    store.apply_hybrid_search_index()
    return lambda text, _vector: [each.metadata["number"] for each in store.similarity_search(text, k=top)]


def llama_index(given: dict[str, Any]) -> Ask:
    """llama-index: PGVectorStore with hybrid_search, in its HYBRID mode."""
    from llama_index.core.schema import TextNode  # type: ignore[import-not-found]
    from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode  # type: ignore[import-not-found]
    from llama_index.vector_stores.postgres import PGVectorStore  # type: ignore[import-not-found]

    top, url = given["top"], given["url"]
    store = PGVectorStore.from_params(
        connection_string=url.replace("postgresql://", "postgresql+psycopg2://"),
        async_connection_string=url.replace("postgresql://", "postgresql+asyncpg://"),
        table_name="llama",
        hybrid_search=True,
        embed_dim=len(given["vectors"][0]),
    )
    store.add(
        [
            TextNode(id_=each["id"], text=each["text"], embedding=vector)
            for each, vector in zip(given["chunks"], given["vectors"], strict=True)
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


def haystack(given: dict[str, Any]) -> Ask:
    """pgvector-haystack: the embedding and the keyword retriever, joined by reciprocal rank fusion."""
    from haystack import Document  # type: ignore[import-not-found]
    from haystack.components.joiners import DocumentJoiner  # type: ignore[import-not-found]
    from haystack.utils import Secret  # type: ignore[import-not-found]
    from haystack_integrations.components.retrievers.pgvector import (  # type: ignore[import-not-found]
        PgvectorEmbeddingRetriever,
        PgvectorKeywordRetriever,
    )
    from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore  # type: ignore[import-not-found]

    top = given["top"]
    store = PgvectorDocumentStore(
        connection_string=Secret.from_token(given["url"]), embedding_dimension=len(given["vectors"][0])
    )
    store.write_documents(
        [
            Document(id=each["id"], content=each["text"], embedding=vector)
            for each, vector in zip(given["chunks"], given["vectors"], strict=True)
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


def main(name: str, given_path: str, found_path: str) -> None:
    """A peer's ranking and its milliseconds for each question."""
    given = json.loads(Path(given_path).read_text(encoding="utf-8"))
    ask = PEERS[name](given)
    pairs = list(zip(given["queries"], given["query_vectors"], strict=True))
    for text, vector in pairs[:20]:
        ask(text, vector)
    ranked, spent = [], []
    for text, vector in pairs:
        started = time.perf_counter()
        ranked.append(ask(text, vector))
        spent.append((time.perf_counter() - started) * 1e3)
    Path(found_path).write_text(json.dumps({"ranked": ranked, "ms": spent}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
