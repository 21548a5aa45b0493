"""groundline.conversation.v1.ConversationService: translate, call, translate."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from google.api import httpbody_pb2

from groundline.conversation.v1 import conversation_pb2, conversation_service_pb2_grpc
from groundline.conversation.v1 import conversation_service_pb2 as pb
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.orchestration.v1 import orchestration_service_pb2_grpc
from meshkit import failpoints
from meshkit.call import current_principal
from meshkit.interceptors.authentication import SESSION_COOKIE
from meshkit.paging import decode_token, encode_token, page_size
from svc_gateway import sse
from svc_gateway.following import Following
from svc_gateway.messages import Messages
from svc_gateway.sessions import Opening, Sessions
from svc_gateway.translate import RATINGS, message_to_proto, session_to_proto

# Readers that a restart cuts off come back spread over this time.
RECONNECT_MS = (500, 3000)


class ConversationServicer(conversation_service_pb2_grpc.ConversationServiceServicer):
    """The customers' side of the desk."""

    def __init__(
        self,
        sessions: Sessions,
        messages: Messages,
        following: Following,
        orchestrator: orchestration_service_pb2_grpc.OrchestrationServiceStub,
        *,
        heartbeat_s: float,
        secure_cookies: bool,
    ) -> None:
        self._sessions = sessions
        self._messages = messages
        self._following = following
        self._orchestrator = orchestrator
        self._heartbeat_s = heartbeat_s
        self._secure_cookies = secure_cookies

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Any) -> pb.CreateSessionResponse:
        caller = current_principal()
        session, token = await self._sessions.open(_opening(request), caller)
        await context.send_initial_metadata((("set-cookie", self._cookie(str(session.session_id), token)),))
        return pb.CreateSessionResponse(session=session_to_proto(session, caller), session_token=token)

    async def GetSession(self, request: pb.GetSessionRequest, context: Any) -> pb.GetSessionResponse:
        return pb.GetSessionResponse(session=await self._read(request.session_id))

    async def PostMessage(self, request: pb.PostMessageRequest, context: Any) -> pb.PostMessageResponse:
        request_id = request.request_id if request.HasField("request_id") else None
        receipt = await self._messages.post(UUID(request.session_id), request.content, request_id)
        if failpoints.ON:
            context.add_done_callback(lambda _: asyncio.ensure_future(failpoints.reach("gateway.message.replied")))
        return pb.PostMessageResponse(message_id=str(receipt.message_id), sequence=receipt.sequence)

    async def ListMessages(self, request: pb.ListMessagesRequest, context: Any) -> pb.ListMessagesResponse:
        filters = ("messages", request.session_id)
        (after,) = decode_token(request.page_token, filters=filters, kinds=(int,)) or (0,)
        size = page_size(request.page_size)
        rows = await self._messages.page(UUID(request.session_id), after=after, limit=size + 1)
        more = len(rows) > size
        return pb.ListMessagesResponse(
            messages=[message_to_proto(row) for row in rows[:size]],
            next_page_token=encode_token((rows[size - 1].sequence,), filters=filters) if more else "",
        )

    async def StreamSession(
        self, request: pb.StreamSessionRequest, context: Any
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        yield sse.body(sse.retry(random.randint(*RECONNECT_MS)))
        async for update in self._updates(UUID(request.session_id), _last_event_id(context)):
            kind = update.WhichOneof("update")
            if kind is None or kind == "heartbeat":
                yield sse.body(sse.HEARTBEAT)
            else:
                event_id = update.event_id if kind == "message" else ""
                yield sse.body(sse.frame(kind, getattr(update, kind), event_id=event_id))

    async def WatchSession(
        self, request: pb.WatchSessionRequest, context: Any
    ) -> AsyncIterator[pb.WatchSessionResponse]:
        async for update in self._updates(UUID(request.session_id), int(request.after_event_id or 0)):
            yield pb.WatchSessionResponse(update=update)

    async def EscalateSession(self, request: pb.EscalateSessionRequest, context: Any) -> pb.EscalateSessionResponse:
        await self._orchestrator.EscalateSession(
            orchestration.EscalateSessionRequest(session_id=request.session_id, note=request.note)
        )
        return pb.EscalateSessionResponse(session=await self._read(request.session_id))

    async def ResolveSession(self, request: pb.ResolveSessionRequest, context: Any) -> pb.ResolveSessionResponse:
        await self._orchestrator.ResolveSession(
            orchestration.ResolveSessionRequest(session_id=request.session_id, resolved_by="customer")
        )
        return pb.ResolveSessionResponse(session=await self._read(request.session_id))

    async def RateMessage(self, request: pb.RateMessageRequest, context: Any) -> pb.RateMessageResponse:
        rated = await self._messages.rate(
            UUID(request.session_id), UUID(request.message_id), RATINGS[request.rating], request.comment
        )
        return pb.RateMessageResponse(message=message_to_proto(rated))

    async def _read(self, session_id: str) -> conversation_pb2.Session:
        return session_to_proto(await self._sessions.read(UUID(session_id)), current_principal())

    async def _updates(self, session_id: UUID, after: int) -> AsyncIterator[conversation_pb2.SessionUpdate]:
        """All that happens in a conversation, from place `after` on. Raises SessionNotFound, Overloaded."""
        viewer = current_principal()
        shown: tuple[object, ...] = ()
        with self._following.follow(session_id) as follower:
            while not follower.ended:
                if not await follower.changed(self._heartbeat_s):
                    yield conversation_pb2.SessionUpdate(heartbeat=conversation_pb2.Heartbeat())
                    continue
                async for changes in self._following.changes(follower, after):
                    for progress in changes.progress:
                        yield conversation_pb2.SessionUpdate(progress=progress)
                    for row in changes.messages:
                        after = row.sequence
                        yield conversation_pb2.SessionUpdate(event_id=str(after), message=message_to_proto(row))
                    if changes.session is None:
                        continue
                    state = (changes.session.status, changes.session.ticket_id, changes.session.escalation_reason)
                    if state != shown:
                        session = session_to_proto(changes.session, viewer)
                        yield conversation_pb2.SessionUpdate(event_id=str(after), session=session)
                        shown = state

    def _cookie(self, session_id: str, token: str) -> str:
        parts = [
            f"{SESSION_COOKIE}={token}",
            f"Path=/v1/sessions/{session_id}",
            f"Max-Age={self._sessions.token_ttl_s}",
            "HttpOnly",
            "SameSite=Strict",
        ]
        return "; ".join([*parts, "Secure"] if self._secure_cookies else parts)


def _opening(request: pb.CreateSessionRequest) -> Opening:
    body = pb.CreateSessionRequest()
    body.CopyFrom(request)
    body.ClearField("request_id")
    return Opening(
        channel=request.channel,
        customer_id=request.customer_id if request.HasField("customer_id") else None,
        knowledge_base=request.knowledge_base if request.HasField("knowledge_base") else None,
        customer_groups=tuple(request.customer_groups),
        request_id=request.request_id if request.HasField("request_id") else None,
        sha256=hashlib.sha256(body.SerializeToString(deterministic=True)).digest(),
    )


def _last_event_id(context: Any) -> int:
    for key, value in context.invocation_metadata() or ():
        # A browser repeats what it was sent. What is no number begins with the whole chain, which loses nothing.
        if key == "last-event-id" and isinstance(value, str) and value.isascii() and value.isdigit():
            return min(int(value[:18]), 2**62)
    return 0
