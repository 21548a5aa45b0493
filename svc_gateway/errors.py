"""What the gateway refuses, in the contract's words (groundline.conversation.v1.ErrorReason)."""

from google.rpc import code_pb2

from groundline.conversation.v1 import error_reason_pb2 as reasons
from meshkit.errors import DomainError


class SessionNotFound(DomainError):
    """Metadata: session_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_SESSION_NOT_FOUND, reasons.ErrorReason
    message = "There is no such conversation."


class MessageNotFound(DomainError):
    """Metadata: message_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_MESSAGE_NOT_FOUND, reasons.ErrorReason
    message = "There is no such message in this conversation."


class MessageNotRateable(DomainError):
    """Metadata: message_id."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_MESSAGE_NOT_RATEABLE
    reasons = reasons.ErrorReason
    message = "Only answers of the bot and of agents are rated."


class KnowledgeBaseNotFound(DomainError):
    """Metadata: knowledge_base."""

    code, reason = code_pb2.NOT_FOUND, reasons.ERROR_REASON_KNOWLEDGE_BASE_NOT_FOUND
    reasons = reasons.ErrorReason
    message = "There is no knowledge base of that name."


class GroupsNotVouched(DomainError):
    """A browser's word about document groups is not enough."""

    code, reason = code_pb2.PERMISSION_DENIED, reasons.ERROR_REASON_GROUPS_NOT_VOUCHED
    reasons = reasons.ErrorReason
    message = "Only a channel adapter vouches for a customer's groups."
