"""Puts retrieval together."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlencode, urlsplit, urlunsplit

from groundline.knowledge.v1 import knowledge_service_pb2_grpc
from groundline.retrieval.v1 import retrieval_pb2_grpc
from meshkit.background import Background
from meshkit.models.shelf import Shelf
from meshkit.objects import ObjectStore, open_store
from meshkit.postgres import Database
from meshkit.server import Registration, Service
from svc_retrieval.bases import KnowledgeBases
from svc_retrieval.cases import Cases
from svc_retrieval.documents import Documents
from svc_retrieval.evidence_cache import ConversationSearch, EvidenceCache
from svc_retrieval.reindexing import Reindexing
from svc_retrieval.reranking import Reranking
from svc_retrieval.search import Search
from svc_retrieval.servicer.knowledge import KnowledgeServicer
from svc_retrieval.servicer.retrieval import RetrievalServicer
from svc_retrieval.settings import RetrievalSettings
from svc_retrieval.spaces import Spaces


async def wire(stack: AsyncExitStack, settings: RetrievalSettings) -> Sequence[Registration]:
    """What retrieval serves. Raises ValueError if a setting that it needs is missing."""
    if settings.database_url is None:
        raise ValueError("GROUNDLINE_DATABASE_URL is needed")
    url = with_server_settings(settings.database_url, vector_index_settings(settings.hnsw_ef_search))
    settings = settings.model_copy(update={"database_url": url})
    database = await stack.enter_async_context(Database.from_settings(settings, name="retrieval", vectors=True))
    shelf = await settings.open_shelf()
    stack.push_async_callback(shelf.close)
    cache = EvidenceCache(
        ttl_s=settings.evidence_cache_ttl_s,
        most_entries=settings.evidence_cache_entries,
        most_bytes=settings.evidence_cache_mb * 1024 * 1024,
    )
    reranking = None
    if reranker := await settings.open_reranker():
        stack.push_async_callback(reranker.close)
        reranking = Reranking(reranker, settings.rerank_candidates, settings.rerank_deadline_s)
    return await services(
        database,
        open_store(settings.object_store_url),
        shelf,
        cache,
        reranking,
        model_check_interval_s=settings.model_check_interval_s,
    )


async def services(
    database: Database,
    objects: ObjectStore,
    shelf: Shelf,
    cache: EvidenceCache,
    reranking: Reranking | None = None,
    *,
    model_check_interval_s: float = 2.0,
) -> list[Registration]:
    """Both services, ready to answer."""
    spaces = Spaces(database, shelf, check_interval_s=model_check_interval_s)
    await spaces.prepare()
    search = Search(database, spaces, reranking=reranking)
    return [
        Service(
            retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server,
            RetrievalServicer(ConversationSearch(search, database, cache)),
        ),
        Service(
            knowledge_service_pb2_grpc.add_KnowledgeServiceServicer_to_server,
            KnowledgeServicer(
                Documents(database, objects),
                Cases(database),
                KnowledgeBases(database, shelf.default.name),
                Reindexing(database, spaces),
            ),
        ),
        Background("models", spaces.keep),
    ]


def vector_index_settings(ef_search: int) -> Mapping[str, str]:
    """How this process' connections use indexes. With a filter, the vector index goes on until enough rows pass; that
    these may come slightly out of order does no harm, since they are scored and sorted again. And every statement has
    an index that serves it: a table read whole, or by parallel workers whose start takes longer than the search, is
    never what is meant, whatever the planner makes of filters that it can't estimate."""
    return {
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": str(ef_search),
        "enable_seqscan": "off",
        "random_page_cost": "1.1",
        "max_parallel_workers_per_gather": "0",
    }


def with_server_settings(database_url: str, values: Mapping[str, str]) -> str:
    """`database_url` with settings that the server takes for each connection from its start, at no round trip."""
    parts = urlsplit(database_url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(values))))))
