"""Puts the two workers together."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from groundline.commands.v1 import audit_service_pb2_grpc, command_service_pb2_grpc
from groundline.conversation.v1 import conversation_service_pb2, conversation_service_pb2_grpc
from groundline.knowledge.v1 import knowledge_service_pb2, knowledge_service_pb2_grpc
from groundline.orchestration.v1 import orchestration_service_pb2, orchestration_service_pb2_grpc
from groundline.ticketing.v1 import ticketing_service_pb2, ticketing_service_pb2_grpc
from meshkit.background import Background
from meshkit.channels import open_channel
from meshkit.identity import ServiceToken, TokenSigner
from meshkit.listener import Listener
from meshkit.models.shelf import NamedModel, Shelf
from meshkit.objects import ObjectStore, open_store
from meshkit.outbox import Handler, Tidying
from meshkit.postgres import Database
from meshkit.server import Registration, Service
from svc_workers import store
from svc_workers.add_ticket_comment import AddTicketComment
from svc_workers.advance_session import AdvanceSession
from svc_workers.audit import AuditTrail
from svc_workers.command_log import CommandLog
from svc_workers.create_ticket import CreateTicket
from svc_workers.drop_vectors import DropVectors
from svc_workers.index_case import IndexCase
from svc_workers.ingest_document import IngestDocument
from svc_workers.mirror_reply import MirrorReply
from svc_workers.peers import Peers
from svc_workers.reindex_passages import ReindexPassages
from svc_workers.resolve_session import ResolveSession
from svc_workers.resolve_ticket import ResolveTicket
from svc_workers.roads import open_road
from svc_workers.servicer import AuditServicer, CommandServicer
from svc_workers.settings import WorkerSettings
from svc_workers.summarize_case import SummarizeCase
from svc_workers.take_over_session import TakeOverSession
from svc_workers.ticket_sync.polling import TicketSync
from svc_workers.webhooks.assembly import open_webhooks

DELIVERY, KNOWLEDGE = "worker-delivery", "worker-knowledge"
# The orchestrator notifies here when a session changed, which is when most commands are written.
SESSION_CHANNEL = "groundline_session"


async def wire_delivery(stack: AsyncExitStack, settings: WorkerSettings) -> Sequence[Registration]:
    """Conversations and tickets; also answers for the outbox. Raises ValueError if a needed setting is missing."""
    database = await stack.enter_async_context(Database.from_settings(settings, name=DELIVERY))
    peers = await _open_peers(stack, settings, DELIVERY)
    webhooks = open_webhooks(stack, settings, database)
    road = open_road(database, [*delivery_handlers(peers), *webhooks.handlers], settings, DELIVERY)
    sync = TicketSync(database, peers, interval_s=settings.ticket_sync_interval_s)
    listener = Listener(str(settings.database_url))
    await listener.subscribe(SESSION_CHANNEL, road.wake)
    return [
        Service(command_service_pb2_grpc.add_CommandServiceServicer_to_server, CommandServicer(CommandLog(database))),
        Service(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, AuditServicer(AuditTrail(database))),
        webhooks.service,
        Background("tidying", Tidying(database, retention_s=settings.retention_s, purges=store.PURGES).run),
        *road.backgrounds,
        Background("listen", listener.run),
        *([Background("ticket-sync", sync.run)] if settings.ticket_sync_interval_s > 0 else []),
    ]


async def wire_knowledge(stack: AsyncExitStack, settings: WorkerSettings) -> Sequence[Registration]:
    """Documents and cases. Raises ValueError if a needed setting is missing."""
    database = await stack.enter_async_context(Database.from_settings(settings, name=KNOWLEDGE, vectors=True))
    peers = await _open_peers(stack, settings, KNOWLEDGE)
    shelf = await settings.open_shelf()
    stack.push_async_callback(shelf.close)
    async with database.transaction() as conn:
        own = NamedModel(shelf.default.name, shelf.spec)
        await store.register_embedding_model(conn, own, shelf.default.dimension)
    handlers = knowledge_handlers(peers, database, open_store(settings.object_store_url), shelf)
    return open_road(database, handlers, settings, KNOWLEDGE).backgrounds


def delivery_handlers(peers: Peers) -> list[Handler[Any]]:
    """The jobs of `delivery`."""
    return [
        AdvanceSession(peers),
        CreateTicket(peers),
        AddTicketComment(peers),
        MirrorReply(peers),
        ResolveSession(peers),
        ResolveTicket(peers),
        TakeOverSession(peers),
    ]


def knowledge_handlers(peers: Peers, database: Database, objects: ObjectStore, shelf: Shelf) -> list[Handler[Any]]:
    """The jobs of `knowledge`."""
    return [
        SummarizeCase(peers, database),
        IngestDocument(database, objects, shelf),
        IndexCase(database, objects, shelf),
        ReindexPassages(database, shelf),
        DropVectors(database, shelf),
    ]


async def _open_peers(stack: AsyncExitStack, settings: WorkerSettings, name: str) -> Peers:
    if settings.signing_key_file is None:
        raise ValueError("GROUNDLINE_SIGNING_KEY_FILE is not set")
    token = ServiceToken(TokenSigner.from_file(settings.signing_key_file), name)

    async def channel(target: str, service: ServiceDescriptor) -> grpc.aio.Channel:
        # Jobs try again themselves, and their commands after them: a second layer below would multiply the attempts.
        return await stack.enter_async_context(open_channel(target, service, token=token, retries=False))

    conversation = conversation_service_pb2.DESCRIPTOR.services_by_name["ConversationService"]
    orchestration = orchestration_service_pb2.DESCRIPTOR.services_by_name["OrchestrationService"]
    ticketing = ticketing_service_pb2.DESCRIPTOR.services_by_name["TicketingService"]
    knowledge = knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"]
    return Peers(
        conversation=conversation_service_pb2_grpc.ConversationServiceStub(
            await channel(settings.gateway_target, conversation)
        ),
        orchestration=orchestration_service_pb2_grpc.OrchestrationServiceStub(
            await channel(settings.orchestrator_target, orchestration)
        ),
        ticketing=ticketing_service_pb2_grpc.TicketingServiceStub(await channel(settings.ticketing_target, ticketing)),
        knowledge=knowledge_service_pb2_grpc.KnowledgeServiceStub(await channel(settings.retrieval_target, knowledge)),
    )
