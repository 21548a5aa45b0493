"""How commands reach the mesh: through the edge, with a token minted from this machine's signing key."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from cli.errors import CommandError
from cli.stack.layout import DEFAULT_EDGE_PORT, HOST, Home, home_from_environment
from groundline.commands.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    command_service_pb2,
    command_service_pb2_grpc,
)
from groundline.conversation.v1 import conversation_service_pb2, conversation_service_pb2_grpc
from groundline.evaluation.v1 import evaluation_pb2, evaluation_pb2_grpc
from groundline.knowledge.v1 import knowledge_service_pb2, knowledge_service_pb2_grpc
from groundline.orchestration.v1 import orchestration_service_pb2, orchestration_service_pb2_grpc
from groundline.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from groundline.ticketing.v1 import ticketing_service_pb2, ticketing_service_pb2_grpc
from groundline.webhooks.v1 import webhook_service_pb2, webhook_service_pb2_grpc
from meshkit.channels import open_channel
from meshkit.errors import RemoteError, from_rpc_error
from meshkit.identity import TokenSigner, role_from_name

T = TypeVar("T")

ASKED_WRONGLY = 2
# Longer than any command runs; a token is never stored.
TOKEN_TTL_S = 6 * 3600

_CONVERSATION = conversation_service_pb2.DESCRIPTOR.services_by_name["ConversationService"]
_TICKETING = ticketing_service_pb2.DESCRIPTOR.services_by_name["TicketingService"]
_KNOWLEDGE = knowledge_service_pb2.DESCRIPTOR.services_by_name["KnowledgeService"]
_COMMANDS = command_service_pb2.DESCRIPTOR.services_by_name["CommandService"]
_RETRIEVAL = retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"]
_EVALUATION = evaluation_pb2.DESCRIPTOR.services_by_name["EvaluationService"]
_ORCHESTRATION = orchestration_service_pb2.DESCRIPTOR.services_by_name["OrchestrationService"]
_AUDIT = audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"]
_WEBHOOKS = webhook_service_pb2.DESCRIPTOR.services_by_name["WebhookService"]
_SERVICES: tuple[ServiceDescriptor, ...] = (
    _CONVERSATION,
    _TICKETING,
    _KNOWLEDGE,
    _COMMANDS,
    _RETRIEVAL,
    _EVALUATION,
    _ORCHESTRATION,
    _AUDIT,
    _WEBHOOKS,
)


class Mesh:
    """Stubs of the services behind the edge, for one caller. Use it as a context manager."""

    def __init__(self, target: str, bearer: str | None) -> None:
        self.target = target
        self._channel = open_channel(target, *_SERVICES, bearer=bearer, watch_health=False)
        self.conversation: Any = conversation_service_pb2_grpc.ConversationServiceStub(self._channel)
        self.ticketing: Any = ticketing_service_pb2_grpc.TicketingServiceStub(self._channel)
        self.knowledge: Any = knowledge_service_pb2_grpc.KnowledgeServiceStub(self._channel)
        self.retrieval: Any = retrieval_pb2_grpc.RetrievalServiceStub(self._channel)
        self.evaluation: Any = evaluation_pb2_grpc.EvaluationServiceStub(self._channel)
        self.orchestration: Any = orchestration_service_pb2_grpc.OrchestrationServiceStub(self._channel)
        self.commands: Any = command_service_pb2_grpc.CommandServiceStub(self._channel)
        self.audit: Any = audit_service_pb2_grpc.AuditServiceStub(self._channel)
        self.webhooks: Any = webhook_service_pb2_grpc.WebhookServiceStub(self._channel)

    async def __aenter__(self) -> Mesh:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()


def edge_target(edge: str | None = None) -> str:
    """host:port of the edge: as given, as GROUNDLINE_EDGE says, where this home's stack is, or 127.0.0.1:8080."""
    given = (edge or os.environ.get("GROUNDLINE_EDGE") or "").removeprefix("http://").rstrip("/")
    if given:
        if "://" in given or "/" in given or ":" not in given:
            raise CommandError(f"the edge is written as host:port, not {given!r}", ASKED_WRONGLY)
        return given
    ports = Home(home_from_environment()).load_ports()
    return f"{HOST}:{ports.edge if ports else DEFAULT_EDGE_PORT}"


def mint(role: str, subject: str, *, ttl_s: float = TOKEN_TTL_S, **claims: Any) -> str:
    """A token of this machine's mesh. Raises CommandError if there is no key or no such role."""
    key_file = signing_key_file()
    try:
        signer = TokenSigner.from_file(key_file)
    except FileNotFoundError:
        raise CommandError(
            f"there is no signing key at {key_file}: start the mesh once (`make up`), or set GROUNDLINE_HOME"
        ) from None
    except (OSError, ValueError) as error:
        raise CommandError(f"the signing key {key_file} can't be used: {error}") from None
    return signer.mint(role_from_name(role), subject, ttl_s=ttl_s, **claims)


def signing_key_file() -> Path:
    """Where this machine's signing key is."""
    named = os.environ.get("GROUNDLINE_SIGNING_KEY_FILE")
    return Path(named) if named else Home(home_from_environment()).signing_key


def person() -> str:
    """Who is at the keyboard, as tickets and replies will show it."""
    try:
        return os.environ.get("GROUNDLINE_SUBJECT") or getpass.getuser()
    except (OSError, KeyError):
        return "agent"


def call(edge: str | None, role: str, work: Callable[[Mesh], Awaitable[T]], *, subject: str | None = None) -> T:
    """Runs `work` as `role`. Every refusal of the mesh becomes a CommandError."""
    target = edge_target(edge)
    bearer = mint(role, subject or person())

    async def main() -> T:
        async with Mesh(target, bearer) as mesh:
            return await work(mesh)

    return run(main, target)


def run(main: Callable[[], Awaitable[T]], target: str) -> T:
    """Runs `main()` to its end. Every refusal of the mesh at `target` becomes a CommandError."""

    async def guarded() -> T:
        try:
            return await main()
        except Exception as error:
            refused = _refusal(error)
            if refused is None:
                raise
            raise explain(refused, target) from None

    return asyncio.run(guarded())


def explain(error: grpc.aio.AioRpcError, target: str) -> CommandError:
    """One line that says what to do."""
    told = from_rpc_error(error)
    if error.code() is grpc.StatusCode.UNAVAILABLE and not told.reason:
        return CommandError(f"nothing answers at {target}: start it with `make up`, or name the edge with --edge")
    if error.code() is grpc.StatusCode.UNAUTHENTICATED:
        return CommandError(
            f"the mesh at {target} does not accept tokens signed with {signing_key_file()}: "
            "set GROUNDLINE_HOME to the folder that it runs with"
        )
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return CommandError(f"the mesh at {target} did not answer in time: see `groundline status`")
    return CommandError(_words(told), ASKED_WRONGLY if error.code() is grpc.StatusCode.INVALID_ARGUMENT else 1)


def _words(told: RemoteError) -> str:
    if told.violations:
        return "; ".join(f"{each.field.removeprefix('ticket.')}: {each.description}" for each in told.violations)
    facts = ", ".join(f"{name} {value}" for name, value in sorted(told.metadata.items()))
    reason = told.reason + (f", {facts}" if facts else "")
    return f"{told.text.rstrip('.') or told}" + (f" ({reason})" if reason else "")


def _refusal(error: BaseException) -> grpc.aio.AioRpcError | None:
    """The refusal that `error` is, or that ended a group of tasks."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_refusal, error.exceptions)), None)
    return None


async def every(
    method: Any, request: Any, field: str, *, limit: int | None = None, page: int = 200
) -> AsyncIterator[Any]:
    """The rows of a list, at most `limit` of them, in pages of at most `page`."""
    request.page_size = min(limit, page) if limit else page
    count = 0
    while True:
        found = await method(request)
        for row in getattr(found, field):
            yield row
            count += 1
            if count == limit:
                return
        request.page_token = found.next_page_token
        if not request.page_token:
            return


async def check_knowledge_base(mesh: Mesh, name: str) -> None:
    """Raises CommandError, naming those there are, unless there is a knowledge base of that name."""
    request = knowledge_service_pb2.ListKnowledgeBasesRequest()
    names = [each.name async for each in every(mesh.knowledge.ListKnowledgeBases, request, "knowledge_bases")]
    if name not in names:
        raise CommandError(f"there is no knowledge base {name!r}; there are: {', '.join(sorted(names))}")
