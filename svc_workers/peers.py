"""Calls to other services: what they answer, or a RemoteError with the contract's reason."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from groundline.conversation.v1.conversation_service_pb2_grpc import ConversationServiceStub
from groundline.knowledge.v1.knowledge_service_pb2_grpc import KnowledgeServiceStub
from groundline.orchestration.v1.orchestration_service_pb2_grpc import OrchestrationServiceStub
from groundline.ticketing.v1.ticketing_service_pb2_grpc import TicketingServiceStub
from meshkit.errors import from_rpc_error

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Peers:
    """Whom the jobs call, each in the mesh's own name."""

    conversation: ConversationServiceStub
    orchestration: OrchestrationServiceStub
    ticketing: TicketingServiceStub
    knowledge: KnowledgeServiceStub


async def answer(call: Awaitable[T]) -> T:
    """What the peer answers. Raises RemoteError for whatever else."""
    try:
        return await call
    except grpc.aio.AioRpcError as exc:
        raise from_rpc_error(exc) from exc
