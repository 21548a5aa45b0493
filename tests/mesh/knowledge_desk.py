"""Retrieval and the knowledge worker's handlers over one database, each in its own role."""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import grpc
import numpy as np
from google.protobuf import json_format

from groundline.knowledge.v1 import knowledge_service_pb2 as kb
from groundline.knowledge.v1 import knowledge_service_pb2_grpc
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2, retrieval_pb2_grpc
from meshkit import testing
from meshkit.channels import open_channel
from meshkit.identity import role_from_name
from meshkit.models.shelf import Shelf
from meshkit.models.vectors import Vectors, normalised
from meshkit.objects import ObjectStore, open_store
from meshkit.outbox import Attempt, Done
from meshkit.postgres import Database
from svc_retrieval.evidence_cache import EvidenceCache
from svc_retrieval.reranking import Reranking
from svc_retrieval.wiring import services, vector_index_settings, with_server_settings
from svc_workers.drop_vectors import DropVectors
from svc_workers.index_case import IndexCase
from svc_workers.ingest_document import IngestDocument
from svc_workers.reindex_passages import ReindexPassages

SERVICES = (
    retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"],
    kb.DESCRIPTOR.services_by_name["KnowledgeService"],
)


class WordEmbedder:
    """Words as directions of their own: texts are as near as the words they share. Costs no model's time."""

    name, dimension = "words-64", 64

    async def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % self.dimension] += 1
        found = normalised(vectors)
        assert found is not None
        return found

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Caller:
    """Both services as one caller sees them."""

    retrieval: retrieval_pb2_grpc.RetrievalServiceStub
    knowledge: knowledge_service_pb2_grpc.KnowledgeServiceStub

    async def search(self, query: str, **fields: Any) -> evidence_pb2.EvidencePack:
        response = await self.retrieval.SearchEvidence(retrieval_pb2.SearchEvidenceRequest(query=query, **fields))
        return response.evidence_pack

    async def write(self, uri: str, content: str | bytes, **fields: Any) -> kb.CreateDocumentResponse:
        raw = content.encode() if isinstance(content, str) else content
        request = kb.CreateDocumentRequest(**{"media_type": "text/markdown", "uri": uri, "content": raw} | fields)
        response: kb.CreateDocumentResponse = await self.knowledge.CreateDocument(request)
        return response


class KnowledgeDesk:
    """A server under test. `owner` is a connection that may look at everything."""

    def __init__(self, served: testing.Served, owner: Any, handlers: dict[str, Any]) -> None:
        self.served = served
        self.owner = owner
        self.handlers = handlers
        self._stack = AsyncExitStack()

    async def caller(self, role: str, *groups: str) -> Caller:
        token = self.served.keys.signer.mint(role_from_name(role), f"{role}-1", groups=groups, ttl_s=60)
        channel: grpc.aio.Channel = open_channel(self.served.target, *SERVICES, bearer=token)
        await self._stack.enter_async_context(channel)
        return Caller(
            retrieval_pb2_grpc.RetrievalServiceStub(channel), knowledge_service_pb2_grpc.KnowledgeServiceStub(channel)
        )

    async def index(self) -> int:
        """Does what the outbox holds, in its order, with the worker's own handlers; says how much that was."""
        rows = await self.owner.fetch(
            "select outbox_id, type, payload_json::text as payload, idempotency_key from messaging.outbox "
            "where status = 'pending' order by outbox_id"
        )
        for row in rows:
            handler = self.handlers[row["type"]]
            command = json_format.Parse(row["payload"], handler.command())
            outcome = await handler.handle(command, Attempt(row["outbox_id"], row["idempotency_key"], 1, 10))
            assert outcome == Done(), outcome
            await self.owner.execute(
                "update messaging.outbox set status = 'done', done_at = now() where outbox_id = $1", row["outbox_id"]
            )
        return len(rows)

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def open_desk(
    database_url: str,
    keys: testing.Keys,
    folder: Path,
    reranking: Reranking | None = None,
    shelf: Shelf | None = None,
) -> AsyncIterator[KnowledgeDesk]:
    objects = open_store(f"file://{folder}/objects")
    async with AsyncExitStack() as stack:
        retrieval = await _database(stack, database_url, "groundline_retrieval")
        workers = await _database(stack, database_url, "groundline_workers")
        shelf = shelf or Shelf(WordEmbedder())
        cache = EvidenceCache(ttl_s=30, most_entries=100, most_bytes=2**20)
        registrations = await services(retrieval, objects, shelf, cache, reranking, model_check_interval_s=0.1)
        served = await stack.enter_async_context(testing.serve(*registrations, keys=keys))
        owner = await asyncpg.connect(database_url)
        stack.push_async_callback(owner.close)
        desk = KnowledgeDesk(served, owner, _handlers(workers, objects, shelf))
        stack.push_async_callback(desk.close)
        yield desk


async def _database(stack: AsyncExitStack, url: str, role: str) -> Database:
    url = testing.database_url(url, urlsplit(url).path.lstrip("/"), user=role)
    url = with_server_settings(url, vector_index_settings(100))
    database = await Database.open(url, name=role, max_size=6, vectors=True)
    stack.push_async_callback(database.close)
    return database


def _handlers(database: Database, objects: ObjectStore, shelf: Shelf) -> dict[str, Any]:
    found = (
        IngestDocument(database, objects, shelf),
        IndexCase(database, objects, shelf),
        ReindexPassages(database, shelf),
        DropVectors(database, shelf),
    )
    return {each.type: each for each in found}
