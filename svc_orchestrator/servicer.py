"""groundline.orchestration.v1.OrchestrationService: translate, call, translate."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from groundline.conversation.v1 import conversation_pb2
from groundline.orchestration.v1 import orchestration_service_pb2 as pb
from groundline.orchestration.v1 import orchestration_service_pb2_grpc
from groundline.orchestration.v1 import turn_export_pb2 as export_pb
from meshkit.errors import FieldViolation, InvalidRequest
from meshkit.paging import decode_token, encode_token, page_size
from meshkit.postgres import Database
from svc_orchestrator import store
from svc_orchestrator.advancing import Advancer
from svc_orchestrator.errors import EventNotFound, SessionNotFound
from svc_orchestrator.exporting import MOST, Range, TurnExport
from svc_orchestrator.hinted import HintedSessions
from svc_orchestrator.progress import Progress
from svc_orchestrator.transitions import Transitions

STATUSES = {
    "open": conversation_pb2.SESSION_STATUS_OPEN,
    "escalated": conversation_pb2.SESSION_STATUS_ESCALATED,
    "resolved": conversation_pb2.SESSION_STATUS_RESOLVED,
}
EVENTS_DEFAULT, EVENTS_MAXIMUM = 20, 100


class OrchestrationServicer(orchestration_service_pb2_grpc.OrchestrationServiceServicer):
    """The conversation's state machine."""

    def __init__(
        self,
        database: Database,
        advancer: Advancer,
        hinted: HintedSessions,
        transitions: Transitions,
        progress: Progress,
        export: TurnExport,
    ) -> None:
        self._db = database
        self._advancer = advancer
        self._hinted = hinted
        self._transitions = transitions
        self._progress = progress
        self._export = export

    async def AdvanceSession(self, request: pb.AdvanceSessionRequest, context: Any) -> pb.AdvanceSessionResponse:
        outcome, turns = await self._advancer.advance(UUID(request.session_id))
        return pb.AdvanceSessionResponse(outcome=outcome, turns=turns)

    async def NotifySessions(self, request: pb.NotifySessionsRequest, context: Any) -> pb.NotifySessionsResponse:
        accepted = sum(self._hinted.take(UUID(each)) for each in request.session_ids)
        return pb.NotifySessionsResponse(accepted=accepted)

    async def WatchProgress(
        self, request: pb.WatchProgressRequest, context: Any
    ) -> AsyncIterator[pb.WatchProgressResponse]:
        async with aclosing(self._progress.watch()) as stages:  # type: ignore[type-var]
            async for progress in stages:
                yield pb.WatchProgressResponse(progress=progress)

    async def EscalateSession(self, request: pb.EscalateSessionRequest, context: Any) -> pb.EscalateSessionResponse:
        status = await self._transitions.escalate(UUID(request.session_id), request.note)
        return pb.EscalateSessionResponse(status=STATUSES[status])

    async def TakeOverSession(self, request: pb.TakeOverSessionRequest, context: Any) -> pb.TakeOverSessionResponse:
        status = await self._transitions.take_over(
            UUID(request.session_id), UUID(request.ticket_id), _given(request, "opened_at")
        )
        return pb.TakeOverSessionResponse(status=STATUSES[status])

    async def AttachTicket(self, request: pb.AttachTicketRequest, context: Any) -> pb.AttachTicketResponse:
        await self._transitions.attach_ticket(UUID(request.session_id), UUID(request.ticket_id))
        return pb.AttachTicketResponse()

    async def RecordReply(self, request: pb.RecordReplyRequest, context: Any) -> pb.RecordReplyResponse:
        message_id = await self._transitions.record_reply(
            UUID(request.session_id),
            UUID(request.ticket_id),
            UUID(request.comment_id),
            request.author_name,
            request.body,
        )
        return pb.RecordReplyResponse(message_id=str(message_id))

    async def ResolveSession(self, request: pb.ResolveSessionRequest, context: Any) -> pb.ResolveSessionResponse:
        ticket_id = UUID(request.ticket_id) if request.HasField("ticket_id") else None
        status = await self._transitions.resolve(
            UUID(request.session_id), ticket_id, request.resolved_by, _given(request, "resolved_at")
        )
        return pb.ResolveSessionResponse(status=STATUSES[status])

    async def ListEvents(self, request: pb.ListEventsRequest, context: Any) -> pb.ListEventsResponse:
        filters = ("events", request.session_id)
        (after,) = decode_token(request.page_token, filters=filters, kinds=(UUID,)) or (None,)
        size = page_size(request.page_size, default=EVENTS_DEFAULT, maximum=EVENTS_MAXIMUM)
        session_id = UUID(request.session_id)
        async with self._db.connection() as conn:
            events = await store.list_events(conn, session_id, after, size + 1)
            if not events and await store.read_session(conn, session_id) is None:
                raise SessionNotFound(session_id=session_id)
        more = len(events) > size
        return pb.ListEventsResponse(
            events=events[:size],
            next_page_token=encode_token((events[size - 1].event_id,), filters=filters) if more else "",
        )

    async def GetEvent(self, request: pb.GetEventRequest, context: Any) -> pb.GetEventResponse:
        async with self._db.connection() as conn:
            event = await store.read_event(conn, UUID(request.event_id))
        if event is None:
            raise EventNotFound(event_id=request.event_id)
        return pb.GetEventResponse(event=event)

    async def ListTurns(self, request: pb.ListTurnsRequest, context: Any) -> pb.ListTurnsResponse:
        since = _given(request, "since")
        filters = ("turns", since)
        after = decode_token(request.page_token, filters=filters, kinds=(datetime, UUID))
        size = page_size(request.page_size, default=EVENTS_DEFAULT, maximum=EVENTS_MAXIMUM)
        async with self._db.connection() as conn:
            events = await store.list_turns(conn, since, after, size + 1)
        token = ""
        if len(events) > size:
            last = events[size - 1]
            token = encode_token((last.created_at.ToDatetime(UTC), UUID(last.event_id)), filters=filters)
        return pb.ListTurnsResponse(events=events[:size], next_page_token=token)

    async def ExportTurns(
        self, request: export_pb.ExportTurnsRequest, context: Any
    ) -> AsyncIterator[export_pb.ExportTurnsResponse]:
        since = _given(request, "since")
        until = _given(request, "until")
        base = request.knowledge_base or "default"
        filters = ("export", base, since, until)
        after = decode_token(request.page_token, filters=filters, kinds=(datetime, UUID))
        span = Range(base, since, until or datetime.now(UTC), request.max_turns or MOST)
        export_id = str(await self._export.begin(span, continued=after is not None))
        async for turns, following in self._export.pages(span, after):
            token = encode_token(following, filters=filters) if following else ""
            yield export_pb.ExportTurnsResponse(turns=turns, next_page_token=token, export_id=export_id)


def _given(request: Any, field: str) -> datetime | None:
    """The time in the request's field, if there is one. Raises InvalidRequest for one that no calendar has."""
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest(violations=[FieldViolation(field, "must be a time of the years 1 to 9999")]) from exc
