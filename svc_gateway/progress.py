"""Shows the stages of running turns to those who follow the session, as the orchestrator reports them."""

from collections.abc import Callable

from groundline.conversation.v1 import conversation_pb2
from groundline.orchestration.v1 import orchestration_service_pb2 as pb
from groundline.orchestration.v1 import orchestration_service_pb2_grpc as stubs


async def relay_progress(
    orchestrator: stubs.OrchestrationServiceStub, show: Callable[[conversation_pb2.TurnProgress], None]
) -> None:
    """Reads the orchestrator's stages and passes each to `show`, until cancelled.

    The orchestrator ends the stream now and then; that is no failure. Raises grpc.aio.AioRpcError when it is away.
    """
    while True:
        async for response in orchestrator.WatchProgress(pb.WatchProgressRequest()):
            show(response.progress)
