"""What only ticketing refuses. Keyword arguments are the metadata that each reason's comment documents."""

from google.rpc import code_pb2

from groundline.ticketing.v1 import error_reason_pb2 as reasons
from meshkit.errors import DomainError


class TicketingError(DomainError):
    """A refusal with a reason from ticketing's own enum."""

    reasons = reasons.ErrorReason


class TicketNotFound(TicketingError):
    """Metadata: ticket_id."""

    code, reason = code_pb2.NOT_FOUND, reasons.ERROR_REASON_TICKET_NOT_FOUND
    message = "There is no such ticket."


class TicketClosed(TicketingError):
    """Metadata: ticket_id."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_TICKET_CLOSED
    message = "The ticket is closed and takes no change."


class TicketAlreadyOpen(TicketingError):
    """Metadata: session_id, ticket_id."""

    code, reason = code_pb2.ALREADY_EXISTS, reasons.ERROR_REASON_TICKET_ALREADY_OPEN
    message = "The conversation has a ticket that is not resolved yet."


class FieldNotUpdatable(TicketingError):
    """Metadata: path."""

    code, reason = code_pb2.INVALID_ARGUMENT, reasons.ERROR_REASON_FIELD_NOT_UPDATABLE
    message = "The update mask names a field that can't be changed."


class StatusTransitionInvalid(TicketingError):
    """Metadata: from, to: the names of the statuses in the contract, without their prefix."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_STATUS_TRANSITION_INVALID
    message = "The status can't follow the one that the ticket has."


class AssignmentNotAllowed(TicketingError):
    """Metadata: assigned_to."""

    code, reason = code_pb2.PERMISSION_DENIED, reasons.ERROR_REASON_ASSIGNMENT_NOT_ALLOWED
    message = "Only a supervisor or admin assigns a ticket to somebody else."


class AttachmentNotFound(TicketingError):
    """Metadata: attachment_id."""

    code, reason = code_pb2.NOT_FOUND, reasons.ERROR_REASON_ATTACHMENT_NOT_FOUND
    message = "There is no such attachment on this ticket."


class SessionNotFound(TicketingError):
    """Metadata: session_id."""

    code, reason = code_pb2.NOT_FOUND, reasons.ERROR_REASON_SESSION_NOT_FOUND
    message = "There is no such conversation."
