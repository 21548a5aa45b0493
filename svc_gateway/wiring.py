"""Puts the gateway together."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import ModuleType

import asyncpg
import grpc

from groundline.commands.v1 import command_service_pb2
from groundline.conversation.v1 import conversation_service_pb2_grpc
from groundline.evaluation.v1 import evaluation_pb2
from groundline.knowledge.v1 import knowledge_service_pb2
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.orchestration.v1 import orchestration_service_pb2_grpc
from groundline.retrieval.v1 import retrieval_pb2
from groundline.ticketing.v1 import ticketing_service_pb2
from meshkit.background import Background
from meshkit.channels import each_address, open_channel
from meshkit.errors import DomainError, from_rpc_error
from meshkit.identity import ServiceToken, TokenSigner
from meshkit.listener import Listener
from meshkit.postgres import Database
from meshkit.server import Described, Draining, Registration, Service
from meshkit.telemetry import get_logger
from svc_gateway.following import Following
from svc_gateway.hints import Hints
from svc_gateway.messages import Messages
from svc_gateway.progress import relay_progress
from svc_gateway.servicer import ConversationServicer
from svc_gateway.sessions import Sessions
from svc_gateway.settings import GatewaySettings

log = get_logger(__name__)

# What the orchestrator notifies on when a session has changed; the payload is the session's id.
SESSION_CHANNEL = "groundline_session"
PROGRESS_PAUSE_S = 1.0
# What answers behind the edge beside this service; a client that asks the edge learns of all of it here.
BEHIND_THE_EDGE = (
    orchestration,
    retrieval_pb2,
    knowledge_service_pb2,
    evaluation_pb2,
    ticketing_service_pb2,
    command_service_pb2,
)


async def wire(stack: AsyncExitStack, settings: GatewaySettings) -> Sequence[Registration]:
    """What the gateway serves and keeps running. Raises ValueError if a setting that it needs is missing."""
    if settings.signing_key_file is None or settings.database_url is None:
        raise ValueError("GROUNDLINE_SIGNING_KEY_FILE and GROUNDLINE_DATABASE_URL are needed")
    database = await stack.enter_async_context(Database.from_settings(settings, name="gateway"))
    signer = TokenSigner.from_file(settings.signing_key_file)

    async def orchestrator_at(target: str) -> orchestration_service_pb2_grpc.OrchestrationServiceStub:
        contract = orchestration.DESCRIPTOR.services_by_name["OrchestrationService"]
        channel = open_channel(target, contract, token=ServiceToken(signer, "gateway"))
        return orchestration_service_pb2_grpc.OrchestrationServiceStub(await stack.enter_async_context(channel))

    orchestrator = await orchestrator_at(settings.orchestrator_target)
    # A turn's stages are told by the replica that does it, so that each is listened to.
    replicas = [await orchestrator_at(target) for target in each_address(settings.orchestrator_target)]

    async def notify(session_ids: Sequence[str]) -> None:
        try:
            await orchestrator.NotifySessions(orchestration.NotifySessionsRequest(session_ids=session_ids))
        except grpc.aio.AioRpcError as exc:
            raise from_rpc_error(exc) from exc

    hints = Hints(notify)
    following = Following(database, max_streams=settings.max_streams)
    listener = Listener(settings.database_url, poll_interval_s=settings.stream_poll_interval_s)

    async def listen() -> None:
        unsubscribe = await listener.subscribe(
            SESSION_CHANNEL, lambda payload: following.wake(payload) if payload else None
        )
        try:
            await listener.run()
        finally:
            unsubscribe()

    async def poll() -> None:
        while True:
            await asyncio.sleep(settings.stream_poll_interval_s)
            try:
                await following.poll()
            except (DomainError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
                log.warning("stream_poll_failed", error=type(exc).__name__)

    async def progress(replica: orchestration_service_pb2_grpc.OrchestrationServiceStub) -> None:
        said = ""
        while True:
            try:
                await relay_progress(replica, following.show)
            except grpc.aio.AioRpcError as exc:
                # Once per kind of failure: an orchestrator that stays away must not fill the log.
                if exc.code().name != said:
                    said = exc.code().name
                    log.warning("progress_lost", code=said)
            await asyncio.sleep(PROGRESS_PAUSE_S)

    servicer = ConversationServicer(
        Sessions(database, signer, token_ttl_s=settings.session_token_ttl_s),
        Messages(database, hints, fast_path_grace_s=settings.fast_path_grace_s),
        following,
        orchestrator,
        heartbeat_s=settings.stream_heartbeat_s,
        secure_cookies=settings.secure_cookies,
    )
    return [
        Service(conversation_service_pb2_grpc.add_ConversationServiceServicer_to_server, servicer),
        Described([name for file in BEHIND_THE_EDGE for name in _services(file)]),
        Draining(following.end),
        Background("hints", hints.run),
        Background("listen", listen),
        Background("poll", poll),
        *(Background(f"progress-{number}", partial(progress, each)) for number, each in enumerate(replicas, 1)),
    ]


def _services(file: ModuleType) -> list[str]:
    return [each.full_name for each in file.DESCRIPTOR.services_by_name.values()]
