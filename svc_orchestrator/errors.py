"""What the orchestrator refuses, in the contract's words (groundline.conversation.v1.ErrorReason)."""

from google.rpc import code_pb2

from groundline.conversation.v1 import error_reason_pb2 as reasons
from meshkit.errors import DomainError


class SessionNotFound(DomainError):
    """Metadata: session_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_SESSION_NOT_FOUND, reasons.ErrorReason
    message = "There is no such conversation."


class SessionNotOpen(DomainError):
    """Metadata: session_id, status."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_SESSION_NOT_OPEN
    reasons = reasons.ErrorReason
    message = "The conversation is resolved."


class EventNotFound(DomainError):
    """Metadata: event_id."""

    code, reason = code_pb2.NOT_FOUND, reasons.ERROR_REASON_EVENT_NOT_FOUND
    reasons = reasons.ErrorReason
    message = "There is no such event."


class LeaseLost(Exception):
    """Another worker holds the session by now: whatever this one was about to write must not be written."""
