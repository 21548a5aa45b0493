"""Tickets, comments and files as the domain sees them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from groundline.options.v1 import access_pb2
from meshkit.identity import Principal

# A protobuf message as its JSON mapping, with the field names of the proto.
Json = dict[str, Any]


class Status(StrEnum):
    """Where a ticket stands."""

    OPEN = "open"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Priority(StrEnum):
    """How soon a ticket should be answered."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Author(StrEnum):
    """Who wrote a comment."""

    CUSTOMER = "customer"
    AGENT = "agent"
    SYSTEM = "system"


class Visibility(StrEnum):
    """Who may see a comment."""

    PUBLIC = "public"
    INTERNAL = "internal"


DEFAULT_QUEUE = "general"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """A ticket to make. `escalation_reason` is a ReasonCode's name without its prefix, `ai_confidence` is 0..1."""

    session_id: UUID
    priority: Priority
    tags: tuple[str, ...]
    queue: str
    escalation_reason: str
    ai_confidence: float
    summary: str
    customer_id: str
    channel: str
    knowledge_base: str
    transcript: list[Json]
    evidence_pack: Json | None
    refused_draft: Json | None
    verdict: Json | None
    opened_by: str | None
    """Whom the conversation must follow; None if it asked for the ticket itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket. Rises in `revision` with every change. Lists and locks leave `details` out."""

    ticket_id: UUID
    session_id: UUID
    status: Status
    priority: Priority
    tags: tuple[str, ...]
    assigned_to: str
    queue: str
    escalation_reason: str
    ai_confidence: float
    summary: str
    resolution: str
    customer_id: str
    channel: str
    knowledge_base: str
    revision: int
    created_at: datetime
    updated_at: datetime
    opened_at: datetime
    resolved_at: datetime | None
    details: "TicketDetails | None" = None

    @property
    def etag(self) -> str:
        """The revision as clients send it back."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class TicketDetails:
    """What is too heavy for lists: the conversation as it stood, and what the bot had to go on."""

    transcript: list[Json]
    evidence_pack: Json | None
    refused_draft: Json | None
    verdict: Json | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComment:
    """A comment to write. `source_message_id` is the customer's message that it mirrors."""

    ticket_id: UUID
    author_type: Author
    author: str
    visibility: Visibility
    body: str
    source_message_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment(NewComment):
    """A comment that was written."""

    comment_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a ticket stands toward its conversation. `opened_by` and `resolved_by`: whom that must follow, "" if it is
    not known who; None where it need not, or there is nothing to follow."""

    status: Status
    opened_by: str | None
    opened_at: datetime
    resolved_by: str | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketChange:
    """What happened to a ticket: it stands so now, or an agent replied. `id` orders what happened at the same time."""

    changed_at: datetime
    id: UUID
    ticket_id: UUID
    session_id: UUID
    what: Standing | Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """A file whose content is in the object store already, under `object_key`."""

    attachment_id: UUID
    ticket_id: UUID
    filename: str
    media_type: str
    size_bytes: int
    sha256: str
    object_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(NewAttachment):
    """A file on a ticket."""

    created_at: datetime


def is_service(principal: Principal) -> bool:
    """Whether the mesh itself calls, rather than a person."""
    return principal.role == access_pb2.ROLE_SERVICE
