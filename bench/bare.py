"""What the gateway is measured against: `python -m bench.bare PORT DATABASE_URL`.

A grpc.aio server on uvloop whose one handler runs the gateway's own statement on an asyncpg pool of the same size, and
nothing else: no identity, no validation, no metrics, no log, no hint to the orchestrator.
"""

import asyncio
import signal
import sys
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import uvloop

from bench.processes import HOST
from groundline.conversation.v1 import conversation_service_pb2 as pb
from groundline.conversation.v1 import conversation_service_pb2_grpc
from meshkit.config import ServiceSettings
from meshkit.ids import new_id
from svc_gateway.settings import GatewaySettings
from svc_gateway.store import queries

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
POOL_SIZE = ServiceSettings.model_fields["database_pool_size"].default
GRACE_S = GatewaySettings.model_fields["fast_path_grace_s"].default


class UnresetConnection(asyncpg.Connection):
    """The gateway's pool sends no reset when a connection is given back, so neither does this one."""

    def get_reset_query(self) -> str:
        return ""


class BareServicer(conversation_service_pb2_grpc.ConversationServiceServicer):
    """PostMessage and nothing around it."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def PostMessage(self, request: pb.PostMessageRequest, context: Any) -> pb.PostMessageResponse:
        message_id = new_id()
        sequence = await self._pool.fetchval(
            queries.post_message,
            UUID(request.session_id),
            message_id,
            request.content,
            request.request_id,
            new_id(),
            GRACE_S,
            TRACEPARENT,
        )
        return pb.PostMessageResponse(message_id=str(message_id), sequence=sequence)


async def serve(port: int, database_url: str) -> None:
    """Serves until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with asyncpg.create_pool(
        database_url,
        min_size=1,
        max_size=POOL_SIZE,
        connection_class=UnresetConnection,
        server_settings={"jit": "off"},
    ) as pool:
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        conversation_service_pb2_grpc.add_ConversationServiceServicer_to_server(BareServicer(pool), server)  # type: ignore[abstract]
        server.add_insecure_port(f"{HOST}:{port}")
        await server.start()
        await stopping.wait()
        await server.stop(1)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
