"""A worker under test: production wiring, real PostgreSQL in its own role, peers that answer as told."""

import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from google.protobuf.message import Message

from groundline.commands.v1 import commands_pb2 as commands
from groundline.conversation.v1 import conversation_service_pb2, conversation_service_pb2_grpc
from groundline.knowledge.v1 import knowledge_service_pb2, knowledge_service_pb2_grpc
from groundline.orchestration.v1 import orchestration_service_pb2, orchestration_service_pb2_grpc
from groundline.ticketing.v1 import ticketing_service_pb2, ticketing_service_pb2_grpc
from meshkit import testing
from meshkit.errors import DomainError
from meshkit.ids import new_id
from meshkit.objects import open_store
from meshkit.outbox import put
from meshkit.server import Service
from svc_workers.settings import WorkerSettings

Answer = Message | DomainError | Callable[[Any], Message]


@dataclass
class Peers:
    """Says for each method what the test told it, one answer after the other; the last one again and again."""

    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def say(self, method: str, *answers: Answer) -> None:
        self.answers[method] = list(answers)

    def asked(self, method: str) -> list[Any]:
        return [request for name, request in self.calls if name == method]

    def servicer(self, base: type, descriptor: Any) -> object:
        def method(name: str, output: type[Message]) -> Any:
            async def answer(_self: object, request: Any, context: Any) -> Any:
                self.calls.append((name, request))
                told = self.answers[name]
                found = (told.pop(0) if len(told) > 1 else told[0]) if told else output()
                if isinstance(found, DomainError):
                    raise found
                return found(request) if callable(found) else found

            return answer

        methods = {each.name: method(each.name, each.output_type._concrete_class) for each in descriptor.methods}
        return type("Scripted", (base,), methods)()


@dataclass
class Mesh:
    """A worker under test: its peers, the owner's view of the database, its object store."""

    peers: Peers
    db: asyncpg.Connection
    objects: Any
    served: testing.Served

    async def put(self, command: Message, type: str, key: str, ordering_key: UUID | None = None) -> None:
        assert await put(self.db, command, type=type, key=key, ordering_key=ordering_key)

    async def settled(self, key: str) -> asyncpg.Record:
        async def look() -> asyncpg.Record | None:
            return await self.db.fetchrow(
                "select * from messaging.outbox where idempotency_key = $1 and status <> 'pending'", key
            )

        row = await testing.eventually(look, timeout_s=30)
        assert isinstance(row, asyncpg.Record)
        return row

    async def done(self, command: Message, type: str, key: str) -> asyncpg.Record:
        await self.put(command, type, key)
        row = await self.settled(key)
        assert (row["status"], row["last_error"]) == ("done", None)
        return row


@asynccontextmanager
async def run(
    wire: Any,
    database_url: str,
    keys: testing.Keys,
    folder: Path,
    answers: Mapping[str, list[Answer]] = MappingProxyType({}),
    **settings_of_test: Any,
) -> AsyncIterator[Mesh]:
    peers = Peers(defaultdict(list, answers))
    services = [
        (orchestration_service_pb2, "OrchestrationService", orchestration_service_pb2_grpc),
        (ticketing_service_pb2, "TicketingService", ticketing_service_pb2_grpc),
        (conversation_service_pb2, "ConversationService", conversation_service_pb2_grpc),
        (knowledge_service_pb2, "KnowledgeService", knowledge_service_pb2_grpc),
    ]
    registrations = [
        Service(
            getattr(stubs, f"add_{name}Servicer_to_server"),
            peers.servicer(getattr(stubs, f"{name}Servicer"), module.DESCRIPTOR.services_by_name[name]),
        )
        for module, name, stubs in services
    ]
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(testing.serve(*registrations, keys=keys))
        settings = WorkerSettings(
            database_url=testing.database_url(
                database_url, urlsplit(database_url).path.lstrip("/"), user="groundline_workers"
            ),
            signing_key_file=keys.jwks_file.with_name("signing.pem"),
            object_store_url=(folder / "objects").as_uri(),
            gateway_target=other.target,
            orchestrator_target=other.target,
            retrieval_target=other.target,
            ticketing_target=other.target,
            **{"poll_interval_s": 0.05, "max_attempts": 3, **settings_of_test},
        )
        served = await stack.enter_async_context(testing.serve(*await wire(stack, settings), keys=keys))
        db = await asyncpg.connect(database_url)
        stack.push_async_callback(db.close)
        yield Mesh(peers, db, open_store(settings.object_store_url), served)


def uuid() -> str:
    return str(new_id())


PAGE = """---
title: Reset a Lumen 3
acl: [public]
---
# Reset a Lumen 3

Hold RESET for 12 seconds to clear E-4012.

| SKU | Plug |
|---|---|
| LM3-PRO-EU | type C |
"""


async def add_document(mesh: Mesh, content: bytes, **fields: Any) -> UUID:
    """A document's row and object, as the read side writes them."""
    doc_id = fields.pop("doc_id", None) or new_id()
    row = {"uri": f"doc:{doc_id}", "title": "Reset a Lumen 3", "kind": "page", "groups": ["public"], "version": 1}
    row |= {"media_type": "text/markdown", **fields}
    key = f"docs/raw/test/{doc_id}-{row['version']}"
    await mesh.objects.put(key, content)
    await mesh.db.execute(
        """
        insert into knowledge.documents
            (doc_id, knowledge_base, title, uri, kind, acl_json, version, media_type, content_sha256, object_key,
             updated_at)
        values ($1, 'default', $2, $3, $4, $5::jsonb, $6, $7, $8, $9, now())
        on conflict (doc_id) do update
        set version = excluded.version, object_key = excluded.object_key, title = excluded.title, state = 'pending'
        """,
        doc_id,
        row["title"],
        row["uri"],
        row["kind"],
        json.dumps({"groups": row["groups"]}),
        row["version"],
        row["media_type"],
        hashlib.sha256(content).hexdigest(),
        key,
    )
    return doc_id


async def ingest(mesh: Mesh, doc_id: UUID, version: int = 1, key: str | None = None) -> asyncpg.Record:
    command = commands.IngestDocument(doc_id=str(doc_id), version=version)
    await mesh.done(command, "ingest_document", key or f"ingest:{doc_id}:{version}")
    row = await mesh.db.fetchrow("select * from knowledge.documents where doc_id = $1", doc_id)
    assert row is not None
    return row


async def chunks(mesh: Mesh, doc_id: UUID) -> list[asyncpg.Record]:
    return list(
        await mesh.db.fetch(
            """
            select c.*, e.embedding_model, vector_dims(e.embedding_vector) as dims, e.acl as vector_acl
            from knowledge.doc_chunks c join knowledge.doc_embeddings e using (chunk_id)
            where doc_id = $1 order by chunk_index
            """,
            doc_id,
        )
    )


async def statistics_agree(mesh: Mesh) -> None:
    counted = await mesh.db.fetchrow(
        "select coalesce(sum(chunk_count), 0) c, coalesce(sum(word_count), 0) w from knowledge.corpus_stats"
    )
    stored = await mesh.db.fetchrow("select count(*) c, coalesce(sum(word_count), 0) w from knowledge.doc_chunks")
    assert counted is not None and stored is not None
    assert tuple(counted) == tuple(stored)
