"""The demo's script once more, as a channel adapter's or a console's program plays it: over native gRPC."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from cli.demo.story import ANSWERABLE, REPLY, SIMILAR, UNANSWERABLE, Story, is_ours
from cli.mesh import Mesh, every
from groundline.conversation.v1 import conversation_pb2 as conversation
from groundline.conversation.v1 import conversation_service_pb2 as talk
from groundline.knowledge.v1 import knowledge_pb2 as knowledge
from groundline.knowledge.v1 import knowledge_service_pb2 as library
from groundline.ticketing.v1 import ticketing_pb2 as ticketing
from groundline.ticketing.v1 import ticketing_service_pb2 as desk
from meshkit.testing import eventually

from ..stack import Live

T = TypeVar("T")


class Watched:
    """One conversation as its customer's program sees it."""

    def __init__(self, mesh: Mesh, session: conversation.Session) -> None:
        self.mesh = mesh
        self.session = session
        self.messages: list[conversation.Message] = []
        self.stages: list[int] = []
        self.is_followed = False
        self._last_event_id = ""
        self._stream: Any = None

    async def until(self, wanted: Callable[[Watched], T | None], timeout_s: float) -> T:
        """Reads the stream until `wanted` finds something. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = wanted(self)
                if found is not None:
                    return found
                if self._stream is None:
                    request = talk.WatchSessionRequest(
                        session_id=self.session.session_id, after_event_id=self._last_event_id
                    )
                    self._stream = self.mesh.conversation.WatchSession(request)
                answer = await self._stream.read()
                if answer is grpc.aio.EOF:
                    self._stream = None
                else:
                    self._take(answer.update)

    def leave(self) -> None:
        """Cuts the stream; the next `until` resumes after the last event."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def _take(self, update: conversation.SessionUpdate) -> None:
        self.is_followed = True
        self._last_event_id = update.event_id or self._last_event_id
        kind = update.WhichOneof("update")
        if kind == "message":
            self.messages.append(update.message)
        elif kind == "session":
            self.session = update.session
        elif kind == "progress":
            self.stages.append(update.progress.stage)

    def from_role(self, role: int) -> list[conversation.Message]:
        """The messages seen so far of one author."""
        return [each for each in self.messages if each.role == role]

    async def post(self, content: str) -> str:
        """Writes a message, twice with one request_id as a program does that lost the answer. Returns its id."""
        request = talk.PostMessageRequest(
            session_id=self.session.session_id, content=content, request_id=f"demo:{uuid.uuid4()}"
        )
        first = await self.mesh.conversation.PostMessage(request)
        again = await self.mesh.conversation.PostMessage(request)
        assert again.message_id == first.message_id
        return str(first.message_id)

    async def answer_to(self, question: str, timeout_s: float) -> conversation.Message:
        """What the desk answers a question that it must answer."""
        message_id = await self.post(question)

        def answered(seen: Watched) -> conversation.Message | None:
            assert seen.session.status == conversation.SESSION_STATUS_OPEN, seen.session
            return next(
                (
                    each
                    for each in seen.from_role(conversation.MESSAGE_ROLE_ASSISTANT)
                    if each.in_reply_to == message_id
                ),
                None,
            )

        return await self.until(answered, timeout_s)


class Script:
    """Plays the six steps over gRPC and keeps what was seen, in the demo's own shape."""

    def __init__(self, live: Live, timeout_s: float) -> None:
        self._live = live
        self._timeout_s = timeout_s
        self._stack = AsyncExitStack()
        self.stages: list[int] = []
        self.story = Story()

    async def play(self) -> Story:
        """Raises AssertionError or TimeoutError where a step does not hold."""
        async with self._stack:
            self._agent = await self._stack.enter_async_context(
                self._live.mesh(self._live.token("agent", "demo-agent"))
            )
            await self._forget_earlier_runs()
            first = await self._customer()
            self.story.answer = _plain(await first.answer_to(ANSWERABLE, self._timeout_s))
            self.stages = first.stages
            await self._handed_over_and_answered(await self._customer())
            await self._case_approved()
            third = await self._customer()
            self.story.learned = _plain(await third.answer_to(SIMILAR, self._timeout_s))
            for each in (first, third):
                each.leave()
        return self.story

    async def _customer(self) -> Watched:
        async with self._live.mesh(None) as anyone:
            opened = await anyone.conversation.CreateSession(talk.CreateSessionRequest(channel="web"))
        mesh = await self._stack.enter_async_context(self._live.mesh(opened.session_token))
        watched = Watched(mesh, opened.session)
        # Progress is told to those who listen already; every stream begins with the session as it is.
        await watched.until(lambda it: it.is_followed or None, self._timeout_s)
        return watched

    async def _forget_earlier_runs(self) -> None:
        listed = every(self._agent.knowledge.ListCases, library.ListCasesRequest(), "cases")
        for case in [each async for each in listed if is_ours(_plain(each))]:
            await self._agent.knowledge.RejectCase(library.RejectCaseRequest(case_id=case.case_id))
            if case.doc_id:
                await eventually(partial(self._is_gone, case.doc_id), timeout_s=self._timeout_s)

    async def _is_gone(self, doc_id: str) -> bool:
        try:
            answer = await self._agent.knowledge.GetDocument(library.GetDocumentRequest(doc_id=doc_id))
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.NOT_FOUND
        return bool(answer.document.state == knowledge.DOCUMENT_STATE_DELETED)

    async def _handed_over_and_answered(self, seen: Watched) -> None:
        await seen.post(UNANSWERABLE)
        ticket_id = await seen.until(lambda it: it.session.ticket_id or None, self._timeout_s)
        assert seen.session.status == conversation.SESSION_STATUS_ESCALATED
        assert not seen.from_role(conversation.MESSAGE_ROLE_ASSISTANT)
        seen.leave()

        reply = desk.CreateCommentRequest(
            ticket_id=ticket_id,
            body=REPLY,
            visibility=ticketing.COMMENT_VISIBILITY_PUBLIC,
            request_id=f"demo:{uuid.uuid4()}",
        )
        first = await self._agent.ticketing.CreateComment(reply)
        again = await self._agent.ticketing.CreateComment(reply)
        assert again.comment == first.comment
        arrived = await seen.until(
            lambda it: next(iter(it.from_role(conversation.MESSAGE_ROLE_AGENT)), None), self._timeout_s
        )
        self.story.reply = _plain(arrived)

        current = (await self._agent.ticketing.GetTicket(desk.GetTicketRequest(ticket_id=ticket_id))).ticket
        change = ticketing.Ticket(status=ticketing.TICKET_STATUS_RESOLVED, etag=current.etag)
        mask = FieldMask(paths=["status"])
        request = desk.UpdateTicketRequest(ticket_id=ticket_id, ticket=change, update_mask=mask)
        self.story.ticket = _plain((await self._agent.ticketing.UpdateTicket(request)).ticket)
        await seen.until(lambda it: it.session.status == conversation.SESSION_STATUS_RESOLVED or None, self._timeout_s)
        sequences = [each.sequence for each in seen.messages]
        assert sequences == sorted(set(sequences)), "resumed without a gap and without a repetition"
        seen.leave()

    async def _case_approved(self) -> None:
        of_ticket = library.ListCasesRequest(ticket_id=self.story.ticket["ticket_id"])

        async def written() -> knowledge.Case | None:
            return next(iter((await self._agent.knowledge.ListCases(of_ticket)).cases), None)

        case: Any = await eventually(written, timeout_s=self._timeout_s)
        assert case.state == knowledge.CASE_STATE_PENDING_REVIEW
        await self._agent.knowledge.ApproveCase(library.ApproveCaseRequest(case_id=case.case_id))

        async def searchable() -> knowledge.Case | None:
            now = (await self._agent.knowledge.GetCase(library.GetCaseRequest(case_id=case.case_id))).case
            if not now.doc_id:
                return None
            found = await self._agent.knowledge.GetDocument(library.GetDocumentRequest(doc_id=now.doc_id))
            ready = found.document.state == knowledge.DOCUMENT_STATE_INDEXED
            return now if ready and {*(now.acl or ["public"])} <= {*found.document.acl} else None

        self.story.case = _plain(await eventually(searchable, timeout_s=self._timeout_s))


def _plain(message: Message | Any) -> dict[str, Any]:
    """As REST shows it, so that both ways are held to the same."""
    plain: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return plain
