"""Customers and agents who go on talking while things break, and write down what they were told is safe."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from cli.mesh import Mesh
from groundline.conversation.v1 import conversation_pb2, conversation_service_pb2
from groundline.knowledge.v1 import knowledge_service_pb2
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2

from ..stack import Live
from .ledger import Entry, Ledger, Refusal
from .questions import MORE, QUESTIONS, REPLIES, RESOLUTION, UNANSWERABLE

T = TypeVar("T")

# What a caller may be told while a part is away. All else is a refusal without a reason.
PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)
PATIENCE_S = 60.0
PAUSE_S = (0.05, 0.5)
WAIT_FOR_OUTCOME_S = 20.0
OPEN, ESCALATED = conversation_pb2.SESSION_STATUS_OPEN, conversation_pb2.SESSION_STATUS_ESCALATED


class GaveUp(Exception):
    """No answer within PATIENCE_S."""


class Load:
    """`customers` conversations at a time, one after the other, until `stop`. Seeded: who says what is repeatable.

    With `repeatable` False, calls are made again without a request_id: what a client without one would do.
    """

    def __init__(
        self,
        live: Live,
        ledger: Ledger,
        seed: int,
        *,
        customers: int = 4,
        agents: bool = True,
        repeatable: bool = True,
        documents: bool = False,
        most_sessions: int | None = None,
        through: str | None = None,
    ) -> None:
        self._live = live
        self._target = through or live.stack.edge_target
        self.ledger = ledger
        self._seed = seed
        self._customers = customers
        self.agents = agents
        self.repeatable = repeatable
        self._documents = documents
        self._most = most_sessions
        self._stopping = asyncio.Event()
        self._begun = 0
        self.finished = asyncio.Event()
        """Set when the last conversation has ended."""

    def stop(self) -> None:
        """Conversations in progress come to their end; no new one begins."""
        self._stopping.set()

    async def run(self) -> None:
        """Returns when the last conversation has said what it had to say."""
        token = self._live.token("agent", "fay", ttl_s=7200)
        async with (
            Mesh(self._target, None) as customers,
            Mesh(self._target, token) as agents,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self._customers):
                group.create_task(self._talk(customers, agents))
            if self._documents:
                group.create_task(self._write_documents())
        self.finished.set()

    async def _talk(self, mesh: Mesh, agents: Mesh) -> None:
        while not self._stopping.is_set() and (self._most is None or self._begun < self._most):
            number = self._begun
            self._begun += 1
            try:
                await Conversation(self, mesh, agents, f"{self._seed}-{number}").hold()
            except GaveUp:
                # Noted in the ledger; whatever it was may or may not have happened.
                continue

    async def _write_documents(self) -> None:
        number = 0
        async with self._live.mesh(self._live.token("admin", "ada", ttl_s=7200)) as mesh:
            while not self._stopping.is_set():
                number += 1
                await self._write_document(mesh, number)
                await asyncio.sleep(0.2)

    async def _write_document(self, mesh: Mesh, number: int) -> None:
        request_id = f"document-{self._seed}-{number}"
        # Three pages that are rewritten again and again: each version replaces the one before.
        page = f"faults/{self._seed}-{number % 3}.md"
        content = f"# Note {page}\n\nEdition {number} of this note was written while something broke.\n"
        request = knowledge_service_pb2.CreateDocumentRequest(
            uri=page, media_type="text/markdown", content=content.encode(), acl=["group:nobody"], request_id=request_id
        )
        try:
            answer, attempts = await self.patiently(
                "document", "", request_id, lambda: mesh.knowledge.CreateDocument(request)
            )
        except GaveUp:
            return
        document = answer.document
        self.ledger.acknowledged(
            Entry("document", "", request_id, document.doc_id, str(document.version), time.time(), attempts)
        )

    async def patiently(
        self, kind: str, session_id: str, request_id: str, call: Callable[[], Awaitable[T]]
    ) -> tuple[T, int]:
        """The answer, and how many calls it took. Raises GaveUp."""
        deadline = time.monotonic() + PATIENCE_S
        attempts = 0
        rng = random.Random(request_id)
        while True:
            attempts += 1
            try:
                return await call(), attempts
            except grpc.aio.AioRpcError as error:
                if error.code() not in PASSING:
                    told = f"{error.code().name}: {error.details()}"
                    self.ledger.refused(Refusal(kind, session_id, request_id, told))
                    raise GaveUp from error
                self.ledger.passing[f"{kind} {error.code().name}: {error.details()}"] += 1
            if time.monotonic() > deadline:
                self.ledger.gave_up(kind, request_id)
                raise GaveUp
            await asyncio.sleep(rng.uniform(*PAUSE_S))


class Conversation:
    """One customer, and the agent who may come to help."""

    def __init__(self, load: Load, mesh: Mesh, agents: Mesh, name: str) -> None:
        self._load = load
        self._ledger = load.ledger
        self._mesh = mesh
        self._agents = agents
        self._name = name
        self._rng = random.Random(name)
        self.session_id = ""
        self.metadata: tuple[tuple[str, str], ...] = ()
        self._step = 0

    async def hold(self) -> None:
        """From the first word to the last."""
        await self.open()
        escalates = self._rng.random() < 0.6
        said = [self._rng.choice(UNANSWERABLE if escalates else QUESTIONS)]
        said += self._rng.sample(MORE, self._rng.randint(0, 2))
        for number, content in enumerate(said):
            if number and self._rng.random() < 0.5:
                await self.outcome()
            await self.post(content)
        session = await self.outcome()
        if not self._load.agents or session.status != ESCALATED:
            return
        await self._help(session.ticket_id or await self.ticket())

    async def _help(self, ticket_id: str) -> None:
        if not ticket_id:
            return
        await self.reply(ticket_id, self._rng.choice(REPLIES))
        if self._rng.random() < 0.5:
            await self.post("Thank you, I will try.")
        if self._rng.random() < 0.6:
            await self._resolve(ticket_id)
            if self._rng.random() < 0.3:
                # Mostly after the conversation is resolved, and sometimes before.
                await asyncio.sleep(self._rng.uniform(0, 1.5))
                await self.post("It is back! " + self._rng.choice(QUESTIONS))

    async def open(self) -> None:
        request_id = f"open-{self._name}"
        request = conversation_service_pb2.CreateSessionRequest(channel="web", request_id=request_id)
        answer, _ = await self._load.patiently(
            "open", "", request_id, lambda: self._mesh.conversation.CreateSession(request)
        )
        self.session_id = answer.session.session_id
        self.metadata = (("authorization", f"Bearer {answer.session_token}"),)
        self._ledger.opened(self.session_id)

    async def post(self, content: str) -> None:
        request_id = self._next("post")
        request = conversation_service_pb2.PostMessageRequest(session_id=self.session_id, content=content)
        if self._load.repeatable:
            request.request_id = request_id
        answer, attempts = await self._load.patiently(
            "post",
            self.session_id,
            request_id,
            lambda: self._mesh.conversation.PostMessage(request, metadata=self.metadata),
        )
        self.acknowledged("post", request_id, answer.message_id, content, attempts)

    async def reply(self, ticket_id: str, body: str) -> None:
        request_id = self._next("reply")
        request = ticketing_service_pb2.CreateCommentRequest(
            ticket_id=ticket_id,
            body=body,
            visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC,
            request_id=request_id,
        )
        answer, attempts = await self._load.patiently(
            "reply", self.session_id, request_id, lambda: self._agents.ticketing.CreateComment(request)
        )
        self.acknowledged("reply", request_id, answer.comment.comment_id, body, attempts)

    async def _resolve(self, ticket_id: str) -> None:
        request_id = self._next("resolve")
        request = ticketing_service_pb2.UpdateTicketRequest(
            ticket_id=ticket_id,
            ticket=ticketing_pb2.Ticket(status=ticketing_pb2.TICKET_STATUS_RESOLVED, resolution=RESOLUTION),
            update_mask=FieldMask(paths=["status", "resolution"]),
        )
        _, attempts = await self._load.patiently(
            "resolve", self.session_id, request_id, lambda: self._agents.ticketing.UpdateTicket(request)
        )
        self.acknowledged("resolve", request_id, ticket_id, RESOLUTION, attempts)

    async def outcome(self) -> conversation_pb2.Session:
        """Waits until the desk has said something to what was said last, but not for ever."""
        deadline = time.monotonic() + WAIT_FOR_OUTCOME_S
        while True:
            session = await self._session()
            waiting = not session.latest_response_message_id and session.status == OPEN
            if not waiting or time.monotonic() > deadline:
                return session
            await asyncio.sleep(0.1)

    async def ticket(self) -> str:
        deadline = time.monotonic() + WAIT_FOR_OUTCOME_S
        while time.monotonic() < deadline:
            session = await self._session()
            if session.ticket_id:
                return str(session.ticket_id)
            await asyncio.sleep(0.2)
        return ""

    async def _session(self) -> conversation_pb2.Session:
        request = conversation_service_pb2.GetSessionRequest(session_id=self.session_id)
        answer: Any
        answer, _ = await self._load.patiently(
            "read",
            self.session_id,
            self._next("read"),
            lambda: self._mesh.conversation.GetSession(request, metadata=self.metadata),
        )
        session: conversation_pb2.Session = answer.session
        return session

    def _next(self, kind: str) -> str:
        self._step += 1
        return f"{kind}-{self._name}-{self._step}"

    def acknowledged(self, kind: str, request_id: str, ref: str, content: str, attempts: int) -> None:
        self._ledger.acknowledged(Entry(kind, self.session_id, request_id, str(ref), content, time.time(), attempts))
