"""Between the contract's messages and the domain's values."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from groundline.evaluation.v1 import reason_code_pb2 as reason_codes
from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from meshkit.errors import FieldViolation, InvalidRequest
from meshkit.identity import Principal
from svc_ticketing.errors import FieldNotUpdatable
from svc_ticketing.lifecycle import Change
from svc_ticketing.model import (
    DEFAULT_QUEUE,
    Attachment,
    Comment,
    Json,
    NewTicket,
    Priority,
    Status,
    Ticket,
    TicketChange,
    Visibility,
    is_service,
)
from svc_ticketing.store import TicketFilter

E = TypeVar("E", bound=StrEnum)

REASON_PREFIX = "REASON_CODE_"


class Enum(Protocol):
    """A generated enum, as an object."""

    def Name(self, number: Any) -> str: ...

    def Value(self, name: str) -> Any: ...


def new_ticket(request: service_pb.CreateTicketRequest, by: Principal) -> NewTicket:
    """What is to be made. Raises InvalidRequest if a service gives no reason: only a person needs none."""
    reason = request.escalation_reason
    if reason == reason_codes.REASON_CODE_UNSPECIFIED:
        if is_service(by):
            raise InvalidRequest(
                violations=[FieldViolation("escalation_reason", "a service must say why", "escalation_reason.required")]
            )
        reason = reason_codes.REASON_CODE_AGENT_TAKEOVER
    trusted = is_service(by)
    return NewTicket(
        session_id=UUID(request.session_id),
        priority=_priority(request.priority),
        tags=tuple(dict.fromkeys(request.tags)),
        queue=request.queue or DEFAULT_QUEUE,
        escalation_reason=reason_codes.ReasonCode.Name(reason).removeprefix(REASON_PREFIX),
        ai_confidence=_confidence(request.verdict.confidence),
        summary=request.summary,
        customer_id=request.customer_id if trusted else "",
        channel=request.channel if trusted else "",
        knowledge_base=request.knowledge_base if trusted else "",
        transcript=[to_json(entry) for entry in request.transcript],
        evidence_pack=to_json(request.evidence_pack) if request.HasField("evidence_pack") else None,
        refused_draft=to_json(request.refused_draft) if request.HasField("refused_draft") else None,
        verdict=to_json(request.verdict) if request.HasField("verdict") else None,
        opened_by=None if trusted else by.subject,
    )


def change_of(request: service_pb.UpdateTicketRequest) -> Change:
    """Which values to take. Raises FieldNotUpdatable, and InvalidRequest for a status that is named but not given."""
    new = request.ticket
    paths = list(request.update_mask.paths)
    if not paths:
        paths = [path for path in UPDATABLE if getattr(new, path)]
    values: dict[str, Any] = {}
    for path in paths:
        if path not in UPDATABLE:
            raise FieldNotUpdatable(path=path)
        values[path] = UPDATABLE[path](new)
    return Change(**values)


def ticket_filter(request: service_pb.ListTicketsRequest) -> TicketFilter:
    """Which tickets to list."""
    return TicketFilter(
        status=_member(Status, pb.TicketStatus, request.status) if request.status else None,
        assigned_to=request.assigned_to or None,
        queue=request.queue or None,
        session_id=UUID(request.session_id) if request.HasField("session_id") else None,
    )


def visibility_of(value: int) -> Visibility:
    """PUBLIC or INTERNAL; the contract lets nothing else through."""
    return _member(Visibility, pb.CommentVisibility, value)


def ticket_message(ticket: Ticket, *, with_draft: bool = False) -> pb.Ticket:
    """The ticket as the contract shows it; with what details it has, the refused draft only if asked for."""
    message = pb.Ticket(
        ticket_id=str(ticket.ticket_id),
        session_id=str(ticket.session_id),
        status=_value(pb.TicketStatus, ticket.status),
        priority=_value(pb.TicketPriority, ticket.priority),
        tags=ticket.tags,
        assigned_to=ticket.assigned_to,
        queue=ticket.queue,
        escalation_reason=reason_codes.ReasonCode.Value(REASON_PREFIX + ticket.escalation_reason),
        ai_confidence=ticket.ai_confidence,
        summary=ticket.summary,
        resolution=ticket.resolution,
        customer_id=ticket.customer_id,
        channel=ticket.channel,
        knowledge_base=ticket.knowledge_base,
        created_at=timestamp(ticket.created_at),
        updated_at=timestamp(ticket.updated_at),
        resolved_at=timestamp(ticket.resolved_at) if ticket.resolved_at else None,
        etag=ticket.etag,
    )
    if ticket.details is not None:
        for entry in ticket.details.transcript:
            _read(entry, message.transcript.add())
        if ticket.details.evidence_pack is not None:
            _read(ticket.details.evidence_pack, message.evidence_pack)
        if ticket.details.verdict is not None:
            _read(ticket.details.verdict, message.verdict)
        if with_draft and ticket.details.refused_draft is not None:
            _read(ticket.details.refused_draft, message.refused_draft)
    return message


def comment_message(comment: Comment) -> pb.TicketComment:
    """The comment as the contract shows it."""
    return pb.TicketComment(
        comment_id=str(comment.comment_id),
        ticket_id=str(comment.ticket_id),
        author_type=_value(pb.AuthorType, comment.author_type),
        author=comment.author,
        visibility=_value(pb.CommentVisibility, comment.visibility),
        body=comment.body,
        source_message_id=str(comment.source_message_id) if comment.source_message_id else None,
        created_at=timestamp(comment.created_at),
    )


def change_message(change: TicketChange) -> pb.TicketChange:
    """What happened, as the contract shows it."""
    message = pb.TicketChange(
        ticket_id=str(change.ticket_id),
        session_id=str(change.session_id),
        changed_at=timestamp(change.changed_at),
    )
    if isinstance(change.what, Comment):
        message.reply.CopyFrom(comment_message(change.what))
        return message
    standing = change.what
    message.standing.status = _value(pb.TicketStatus, standing.status)
    message.standing.opened_at.CopyFrom(timestamp(standing.opened_at))
    if standing.opened_by is not None:
        message.standing.opened_by = standing.opened_by
    if standing.status in (Status.RESOLVED, Status.CLOSED) and standing.resolved_by is not None:
        message.standing.resolved_by = standing.resolved_by
        # A road that sets the status alone has at least changed the ticket then.
        message.standing.resolved_at.CopyFrom(timestamp(standing.resolved_at or change.changed_at))
    return message


def attachment_message(attachment: Attachment) -> pb.Attachment:
    """The file as the contract shows it, without its content."""
    return pb.Attachment(
        attachment_id=str(attachment.attachment_id),
        ticket_id=str(attachment.ticket_id),
        filename=attachment.filename,
        media_type=attachment.media_type,
        size_bytes=attachment.size_bytes,
        sha256=attachment.sha256,
        created_at=timestamp(attachment.created_at),
    )


def to_json(message: Message) -> Json:
    """A message as its JSON mapping, with the field names of the proto."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def _read(stored: Json, message: Message) -> None:
    # A newer writer's fields are optional by the contract's rules. SetInParent: a message may be there and empty.
    message.SetInParent()
    json_format.ParseDict(stored, message, ignore_unknown_fields=True)


def _status(ticket: pb.Ticket) -> Status:
    if ticket.status == pb.TICKET_STATUS_UNSPECIFIED:
        raise InvalidRequest(violations=[FieldViolation("ticket.status", "must say a status", "enum.not_in")])
    return _member(Status, pb.TicketStatus, ticket.status)


def _priority(value: int) -> Priority:
    return _member(Priority, pb.TicketPriority, value) if value else Priority.NORMAL


UPDATABLE: Mapping[str, Callable[[pb.Ticket], object]] = {
    "status": _status,
    "priority": lambda ticket: _priority(ticket.priority),
    "tags": lambda ticket: tuple(dict.fromkeys(ticket.tags)),
    "assigned_to": lambda ticket: ticket.assigned_to,
    "queue": lambda ticket: ticket.queue or DEFAULT_QUEUE,
    "resolution": lambda ticket: ticket.resolution,
}


def _confidence(value: float) -> float:
    # A gate that answers nonsense is sure of nothing.
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0


def _prefix(enum: Enum) -> str:
    return enum.Name(0).removesuffix("UNSPECIFIED")


def _member(kind: type[E], enum: Enum, value: int) -> E:
    return kind(enum.Name(value).removeprefix(_prefix(enum)).lower())


def _value(enum: Enum, member: StrEnum) -> Any:
    return enum.Value(_prefix(enum) + member.upper())


def moment(stamp: Timestamp, field: str) -> datetime:
    """The moment that a request names in `field`. Raises InvalidRequest for one that no calendar has."""
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest(violations=[FieldViolation(field, "must be a time of the years 1 to 9999")]) from exc


def timestamp(moment: datetime) -> Timestamp:
    """The moment as the contracts write it."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
