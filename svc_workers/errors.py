"""What only the command log refuses."""

from google.rpc import code_pb2

from groundline.commands.v1 import error_reason_pb2 as reasons
from meshkit.errors import DomainError


class CommandNotFound(DomainError):
    """Metadata: command_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_COMMAND_NOT_FOUND, reasons.ErrorReason
    message = "There is no such command."
