"""What only webhooks refuse."""

from google.rpc import code_pb2

from groundline.webhooks.v1 import error_reason_pb2 as reasons
from meshkit.errors import DomainError


class EndpointNotFound(DomainError):
    """Metadata: endpoint_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_ENDPOINT_NOT_FOUND, reasons.ErrorReason
    message = "There is no such endpoint."


class DeliveryNotFound(DomainError):
    """Metadata: delivery_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_DELIVERY_NOT_FOUND, reasons.ErrorReason
    message = "There is no such delivery."


class UrlNotAllowed(DomainError):
    """Metadata: problem."""

    code, reason, reasons = code_pb2.INVALID_ARGUMENT, reasons.ERROR_REASON_URL_NOT_ALLOWED, reasons.ErrorReason
    message = "Events are not sent to such an address."


class FieldNotUpdatable(DomainError):
    """Metadata: path."""

    code, reason, reasons = code_pb2.INVALID_ARGUMENT, reasons.ERROR_REASON_FIELD_NOT_UPDATABLE, reasons.ErrorReason
    message = "The update mask names a field that can't be changed."


class EndpointDisabled(DomainError):
    """Metadata: endpoint_id."""

    code, reason, reasons = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_ENDPOINT_DISABLED, reasons.ErrorReason
    message = "The endpoint is disabled: enable it first."


class TooManyEndpoints(DomainError):
    """Metadata: limit."""

    code, reason, reasons = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_TOO_MANY_ENDPOINTS, reasons.ErrorReason
    message = "There are as many endpoints as are allowed."
