"""Peers that do as a test says: evidence, verdicts and failures of every kind, served over gRPC with the real chain."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg

import svc_gateway.wiring
import svc_orchestrator.wiring
from groundline.conversation.v1 import conversation_service_pb2 as conversation
from groundline.conversation.v1 import conversation_service_pb2_grpc as conversation_grpc
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import evaluation_pb2_grpc
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.orchestration.v1 import orchestration_service_pb2_grpc as orchestration_grpc
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2, retrieval_pb2_grpc
from meshkit import testing
from meshkit.ids import new_id
from meshkit.server import Service
from svc_gateway.settings import GatewaySettings
from svc_orchestrator.settings import OrchestratorSettings

FACT = "Hold the reset button for ten seconds to restore factory settings."


def evidence(text: str = FACT, title: str = "Reset") -> evidence_pb2.Evidence:
    """One passage as retrieval would give it."""
    return evidence_pb2.Evidence(
        chunk_id=str(new_id()),
        doc_id=str(new_id()),
        doc_uri="manuals/reset.md",
        title=title,
        text=text,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        span_end=len(text),
        score=0.9,
        signals=[evidence_pb2.SignalScore(name=name, score=0.9, rank=1) for name in ("cosine", "bm25", "coverage")],
        doc_version=1,
        kind=evidence_pb2.EVIDENCE_KIND_DOCUMENT,
        acl=["public"],
    )


def pack(query: str, *found: evidence_pb2.Evidence) -> evidence_pb2.EvidencePack:
    """A pack of these passages."""
    made = evidence_pb2.EvidencePack(
        evidence_pack_id=str(new_id()), query=query, evidence=found, knowledge_base="default"
    )
    made.retrieved_at.GetCurrentTime()
    return made


def passed() -> evaluation.Verdict:
    """A verdict that lets through."""
    return evaluation.Verdict(decision=evaluation.DECISION_PASS, confidence=0.9, policy_version="scripted")


def failed(reason: rc.ReasonCode.ValueType) -> evaluation.Verdict:
    """A verdict that refuses."""
    return evaluation.Verdict(
        decision=evaluation.DECISION_FAIL, reason=reason, confidence=0.2, policy_version="scripted"
    )


@dataclass
class Script:
    """What the peers do. A test replaces the functions; `searches` counts what was asked."""

    search: Callable[[retrieval_pb2.SearchEvidenceRequest], Awaitable[evidence_pb2.EvidencePack]]
    judge: Callable[[evaluation.EvaluateRequest], Awaitable[evaluation.Verdict]]
    searches: list[retrieval_pb2.SearchEvidenceRequest] = field(default_factory=list)
    left_s: dict[str, float] = field(default_factory=dict)
    """How much time the latest call of each peer had left when it came."""

    @classmethod
    def answering(cls) -> "Script":
        """Finds FACT and lets everything through."""

        async def search(request: retrieval_pb2.SearchEvidenceRequest) -> evidence_pb2.EvidencePack:
            return pack(request.query, evidence())

        async def judge(_: evaluation.EvaluateRequest) -> evaluation.Verdict:
            return passed()

        return cls(search, judge)


class ScriptedRetrieval(retrieval_pb2_grpc.RetrievalServiceServicer):
    """Answers as the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def SearchEvidence(self, request: Any, context: Any) -> retrieval_pb2.SearchEvidenceResponse:
        self._script.searches.append(request)
        self._script.left_s["retrieval"] = context.time_remaining()
        return retrieval_pb2.SearchEvidenceResponse(evidence_pack=await self._script.search(request))


class ScriptedEvaluator(evaluation_pb2_grpc.EvaluationServiceServicer):
    """Judges as the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def Evaluate(self, request: Any, context: Any) -> evaluation.EvaluateResponse:
        self._script.left_s["evaluator"] = context.time_remaining()
        return evaluation.EvaluateResponse(verdict=await self._script.judge(request))

    async def GetPolicy(self, request: Any, context: Any) -> evaluation.GetPolicyResponse:
        raise NotImplementedError


@dataclass
class Talk:
    """A gateway and an orchestrator with production wiring, in front of scripted peers; `sql` is the owner."""

    gateway: testing.Served
    orchestrator: testing.Served
    script: Script
    sql: asyncpg.Connection
    keys: testing.Keys
    stack: AsyncExitStack
    orchestrator_parts: Sequence[Any] = ()

    async def open(self, **fields: Any) -> "Customer":
        """A new conversation."""
        channel = await self.stack.enter_async_context(self.gateway.channel())
        stub = conversation_grpc.ConversationServiceStub(channel)
        made = await stub.CreateSession(conversation.CreateSessionRequest(channel="web", **fields))
        return Customer(stub, made.session.session_id, (("authorization", f"Bearer {made.session_token}"),))

    async def mesh(self) -> orchestration_grpc.OrchestrationServiceStub:
        """The orchestrator as another service calls it."""
        channel = await self.stack.enter_async_context(
            self.orchestrator.channel(orchestration.DESCRIPTOR.services_by_name["OrchestrationService"], role="service")
        )
        return orchestration_grpc.OrchestrationServiceStub(channel)

    async def advance(self, customer: "Customer") -> orchestration.AdvanceSessionResponse:
        """What the relay does for each message."""
        stub = await self.mesh()
        return await stub.AdvanceSession(orchestration.AdvanceSessionRequest(session_id=customer.session_id))

    async def commands(self, type: str) -> list[str]:
        """The keys of the outbox's commands of a type."""
        rows = await self.sql.fetch(
            "select idempotency_key from messaging.outbox where type = $1 order by outbox_id", type
        )
        return [row["idempotency_key"] for row in rows]


@dataclass
class Customer:
    """One conversation from its customer's side."""

    stub: conversation_grpc.ConversationServiceStub
    session_id: str
    credentials: tuple[tuple[str, str], ...]

    @property
    def id(self) -> UUID:
        return UUID(self.session_id)

    def message(self, content: str, request_id: str | None = None) -> conversation.PostMessageRequest:
        return conversation.PostMessageRequest(session_id=self.session_id, content=content, request_id=request_id)

    async def says(self, content: str, request_id: str | None = None) -> conversation.PostMessageResponse:
        return await self.stub.PostMessage(self.message(content, request_id), metadata=self.credentials)

    async def chain(self) -> list[Any]:
        listed = await self.stub.ListMessages(
            conversation.ListMessagesRequest(session_id=self.session_id), metadata=self.credentials
        )
        return list(listed.messages)

    async def session(self) -> Any:
        got = await self.stub.GetSession(
            conversation.GetSessionRequest(session_id=self.session_id), metadata=self.credentials
        )
        return got.session


@asynccontextmanager
async def open_talk(
    database_url: str,
    keys: testing.Keys,
    folder: Path,
    *,
    orchestrator_settings: Mapping[str, Any] = MappingProxyType({}),
    **gateway: Any,
) -> AsyncIterator[Talk]:
    """Both services on one database. Hints are off by default (their target is nobody): tests advance by hand."""
    async with AsyncExitStack() as stack:
        script = Script.answering()
        retrieval = await stack.enter_async_context(
            testing.serve(
                Service(retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server, ScriptedRetrieval(script)),
                keys=keys,
            )
        )
        evaluator = await stack.enter_async_context(
            testing.serve(
                Service(evaluation_pb2_grpc.add_EvaluationServiceServicer_to_server, ScriptedEvaluator(script)),
                keys=keys,
            )
        )
        common = {
            "signing_key_file": folder / "keys" / "signing.pem",
            "verify_jwks_file": keys.jwks_file,
            "home": folder,
            "database_pool_size": 8,
        }
        peers = {"retrieval_target": retrieval.target, "evaluator_target": evaluator.target}
        settings = OrchestratorSettings(
            database_url=testing.database_url(database_url, _name(database_url), user="groundline_orchestrator"),
            **{**common, **peers, **orchestrator_settings},
        )
        parts = await svc_orchestrator.wiring.wire(stack, settings)
        orchestrator = await stack.enter_async_context(testing.serve(*parts, keys=keys))
        given = {"orchestrator_target": "127.0.0.1:1", "stream_poll_interval_s": 0.2, **gateway}
        if given["orchestrator_target"] == "orchestrator":
            given["orchestrator_target"] = orchestrator.target
        front = GatewaySettings(
            database_url=testing.database_url(database_url, _name(database_url), user="groundline_gateway"),
            **{**common, **given},
        )
        gateway_parts = await svc_gateway.wiring.wire(stack, front)
        served = await stack.enter_async_context(testing.serve(*gateway_parts, keys=keys))
        sql = await asyncpg.connect(database_url)
        stack.push_async_callback(sql.close)
        yield Talk(served, orchestrator, script, sql, keys, stack, parts)


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


async def never(_: Any) -> Any:
    """Does not answer."""
    await asyncio.Event().wait()
