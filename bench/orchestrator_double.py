"""A stand-in for the orchestrator, so that only the gateway is measured: `python -m bench.orchestrator_double PORT`.

It accepts every hint and does nothing about it, and its stream of progress stays silent.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvloop

from bench.processes import HOST
from groundline.orchestration.v1 import orchestration_service_pb2 as pb
from groundline.orchestration.v1 import orchestration_service_pb2_grpc


class OrchestratorDouble(orchestration_service_pb2_grpc.OrchestrationServiceServicer):
    """NotifySessions and WatchProgress, without a turn behind them."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping

    async def NotifySessions(self, request: pb.NotifySessionsRequest, context: Any) -> pb.NotifySessionsResponse:
        return pb.NotifySessionsResponse(accepted=len(request.session_ids))

    async def WatchProgress(
        self, request: pb.WatchProgressRequest, context: Any
    ) -> AsyncIterator[pb.WatchProgressResponse]:
        await self._stopping.wait()
        if not self._stopping.is_set():
            yield pb.WatchProgressResponse()


async def serve(port: int) -> None:
    """Serves until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    double: Any = OrchestratorDouble(stopping)  # type: ignore[abstract]
    orchestration_service_pb2_grpc.add_OrchestrationServiceServicer_to_server(double, server)
    server.add_insecure_port(f"{HOST}:{port}")
    await server.start()
    await stopping.wait()
    await server.stop(1)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
