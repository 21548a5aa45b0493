"""TicketingService: translate, call, translate."""

from typing import Any
from uuid import UUID

from google.api import httpbody_pb2

from groundline.ticketing.v1 import ticketing_service_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2_grpc as rpc
from meshkit.call import current_principal
from meshkit.paging import page_size
from svc_ticketing import translation as to
from svc_ticketing.attachments import Attachments
from svc_ticketing.changes import Changes
from svc_ticketing.comments import Comments
from svc_ticketing.repeatable import RequestKey
from svc_ticketing.tickets import Tickets

# Replies come with their words: so many are no larger than a message may be.
MAX_CHANGES = 50


class TicketingServicer(rpc.TicketingServiceServicer):
    """The agents' side of the desk."""

    def __init__(self, tickets: Tickets, comments: Comments, attachments: Attachments, changes: Changes) -> None:
        self._tickets = tickets
        self._comments = comments
        self._attachments = attachments
        self._changes = changes

    async def CreateTicket(self, request: pb.CreateTicketRequest, context: Any) -> pb.CreateTicketResponse:
        by = current_principal()
        key = RequestKey.of(request, request.request_id, by)
        ticket = await self._tickets.create(to.new_ticket(request, by), key, by)
        return pb.CreateTicketResponse(ticket=to.ticket_message(ticket))

    async def GetTicket(self, request: pb.GetTicketRequest, context: Any) -> pb.GetTicketResponse:
        ticket = await self._tickets.get(UUID(request.ticket_id))
        return pb.GetTicketResponse(ticket=to.ticket_message(ticket, with_draft=True))

    async def ListTickets(self, request: pb.ListTicketsRequest, context: Any) -> pb.ListTicketsResponse:
        rows, following = await self._tickets.page(
            to.ticket_filter(request), size=page_size(request.page_size), token=request.page_token
        )
        return pb.ListTicketsResponse(tickets=map(to.ticket_message, rows), next_page_token=following)

    async def UpdateTicket(self, request: pb.UpdateTicketRequest, context: Any) -> pb.UpdateTicketResponse:
        ticket = await self._tickets.update(
            UUID(request.ticket_id), to.change_of(request), etag=request.ticket.etag, by=current_principal()
        )
        return pb.UpdateTicketResponse(ticket=to.ticket_message(ticket))

    async def CreateComment(self, request: pb.CreateCommentRequest, context: Any) -> pb.CreateCommentResponse:
        by = current_principal()
        comment = await self._comments.create(
            UUID(request.ticket_id),
            request.body,
            to.visibility_of(request.visibility),
            source_message_id=UUID(request.source_message_id) if request.HasField("source_message_id") else None,
            request=RequestKey.of(request, request.request_id, by),
            by=by,
        )
        return pb.CreateCommentResponse(comment=to.comment_message(comment))

    async def ListComments(self, request: pb.ListCommentsRequest, context: Any) -> pb.ListCommentsResponse:
        rows, following = await self._comments.page(
            UUID(request.ticket_id), size=page_size(request.page_size), token=request.page_token
        )
        return pb.ListCommentsResponse(comments=map(to.comment_message, rows), next_page_token=following)

    async def CreateAttachment(self, request: pb.CreateAttachmentRequest, context: Any) -> pb.CreateAttachmentResponse:
        attachment = await self._attachments.create(
            UUID(request.ticket_id),
            request.filename,
            request.media_type,
            request.content,
            RequestKey.of(request, request.request_id, current_principal()),
        )
        return pb.CreateAttachmentResponse(attachment=to.attachment_message(attachment))

    async def ListAttachments(self, request: pb.ListAttachmentsRequest, context: Any) -> pb.ListAttachmentsResponse:
        rows, following = await self._attachments.page(
            UUID(request.ticket_id), size=page_size(request.page_size), token=request.page_token
        )
        return pb.ListAttachmentsResponse(attachments=map(to.attachment_message, rows), next_page_token=following)

    async def DownloadAttachment(self, request: pb.DownloadAttachmentRequest, context: Any) -> httpbody_pb2.HttpBody:
        content = await self._attachments.content(UUID(request.ticket_id), UUID(request.attachment_id))
        # Whatever the sender said it is: a browser must never run it on our origin.
        return httpbody_pb2.HttpBody(content_type="application/octet-stream", data=content)

    async def PollTicketChanges(
        self, request: pb.PollTicketChangesRequest, context: Any
    ) -> pb.PollTicketChangesResponse:
        rows, cursor, more = await self._changes.page(
            cursor=request.cursor,
            since=to.moment(request.since, "since") if request.HasField("since") else None,
            size=page_size(request.page_size, default=MAX_CHANGES, maximum=MAX_CHANGES),
        )
        return pb.PollTicketChangesResponse(
            changes=map(to.change_message, rows),
            next_cursor=cursor.encode(),
            settled_at=to.timestamp(cursor.at),
            more=more,
        )
