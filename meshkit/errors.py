"""Refusals as the contract words them: a google.rpc code, a reason from a domain's enum, documented metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from groundline.options.v1 import error_reason_pb2 as mesh

ERROR_DOMAIN = "groundline.dev"
REASON_PREFIX = "ERROR_REASON_"
STATUS_METADATA_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One broken constraint of a request: `field` is the path as in the proto (`items[2].name`)."""

    field: str
    description: str
    rule: str = ""


class ReasonEnum(Protocol):
    """A generated enum of reasons, as an object."""

    def Name(self, number: Any) -> str: ...


class DomainError(Exception):
    """A refusal that the contract foresees. It knows no gRPC context; the error layer turns it into a status.

    A subclass sets `code` (google.rpc.Code), `reason` (a value of `reasons`, never UNSPECIFIED) and `message`, a
    sentence that is safe to show to anyone. Keyword arguments become ErrorInfo.metadata: the keys that the reason's
    comment documents, and never text that a customer wrote.
    """

    code: ClassVar[int]
    reason: ClassVar[int]
    reasons: ClassVar[ReasonEnum] = mesh.ErrorReason
    message: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if getattr(cls, "reason", None) == 0:
            raise TypeError(f"{cls.__name__} has an UNSPECIFIED reason")

    def __init__(
        self,
        message: str | None = None,
        /,
        *,
        retry_after_s: float | None = None,
        violations: Sequence[FieldViolation] = (),
        **metadata: object,
    ) -> None:
        self.text = message or self.message
        self.retry_after_s = retry_after_s
        self.violations = tuple(violations)
        self.metadata = {key: _as_text(value) for key, value in metadata.items() if value is not None}
        super().__init__(self.text)

    @classmethod
    def reason_name(cls) -> str:
        """The reason as clients see it: the enum value's name without `ERROR_REASON_`."""
        return cls.reasons.Name(cls.reason).removeprefix(REASON_PREFIX)


class InvalidRequest(DomainError):
    """The request breaks a constraint of the contract; `violations` names each."""

    code, reason = code_pb2.INVALID_ARGUMENT, mesh.ERROR_REASON_INVALID_REQUEST
    message = "The request breaks a constraint of the contract."


class CredentialMissing(DomainError):
    """Metadata: method."""

    code, reason = code_pb2.UNAUTHENTICATED, mesh.ERROR_REASON_CREDENTIAL_MISSING
    message = "This method needs a credential."


class CredentialInvalid(DomainError):
    """The credential is malformed, expired, not for this system, or wrongly signed; which of these is not said."""

    code, reason = code_pb2.UNAUTHENTICATED, mesh.ERROR_REASON_CREDENTIAL_INVALID
    message = "The credential is not valid."


class RoleNotAllowed(DomainError):
    """Metadata: method, role."""

    code, reason = code_pb2.PERMISSION_DENIED, mesh.ERROR_REASON_ROLE_NOT_ALLOWED
    message = "The caller's role may not call this method."


class OutOfScope(DomainError):
    """The caller's token is bound to something else. Says nothing of whether the thing asked for exists."""

    code, reason = code_pb2.PERMISSION_DENIED, mesh.ERROR_REASON_OUT_OF_SCOPE
    message = "The credential is not for this resource."


class NoAccessRule(DomainError):
    """Metadata: method."""

    code, reason = code_pb2.PERMISSION_DENIED, mesh.ERROR_REASON_NO_ACCESS_RULE
    message = "The method has no access rule, so nobody may call it."


class PageTokenInvalid(DomainError):
    """The page token was not made by this list with these filters."""

    code, reason = code_pb2.INVALID_ARGUMENT, mesh.ERROR_REASON_PAGE_TOKEN_INVALID
    message = "The page token does not belong to this list with these filters."


class RequestIdReused(DomainError):
    """Metadata: request_id."""

    code, reason = code_pb2.ALREADY_EXISTS, mesh.ERROR_REASON_REQUEST_ID_REUSED
    message = "The request_id was used before with another body."


class EtagMismatch(DomainError):
    """Metadata: etag (the current one)."""

    code, reason = code_pb2.ABORTED, mesh.ERROR_REASON_ETAG_MISMATCH
    message = "The resource changed since it was read."


class Overloaded(DomainError):
    """A pool or queue is full; give `retry_after_s`."""

    code, reason = code_pb2.RESOURCE_EXHAUSTED, mesh.ERROR_REASON_OVERLOADED
    message = "The service is at its limit. Try again shortly."


class DependencyUnavailable(DomainError):
    """A part that the call needs can't be reached; give `retry_after_s`."""

    code, reason = code_pb2.UNAVAILABLE, mesh.ERROR_REASON_DEPENDENCY_UNAVAILABLE
    message = "A part that this call needs can't be reached. Try again shortly."


class DeadlineExceeded(DomainError):
    """The call's deadline passed before it was done."""

    code, reason = code_pb2.DEADLINE_EXCEEDED, mesh.ERROR_REASON_DEADLINE_EXCEEDED
    message = "The deadline passed before the call was done."


class Internal(DomainError):
    """Not foreseen. Metadata: request_id, under which everything known is in the log."""

    code, reason = code_pb2.INTERNAL, mesh.ERROR_REASON_INTERNAL
    message = "Something unforeseen went wrong; it is logged under the request id."


class RemoteError(Exception):
    """A peer's refusal. `reason` is "" where the peer sent no ErrorInfo of this mesh; `text` is the peer's message."""

    def __init__(
        self,
        code: int,
        reason: str,
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        *,
        text: str = "",
        violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(f"{code_name(code)} {reason}".strip())
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s
        self.text = text
        self.violations = tuple(violations)

    def reason_name(self) -> str:
        """The peer's reason, as it was sent."""
        return self.reason


def code_name(code: int) -> str:
    """`NOT_FOUND` for 5; the number itself for a code that google.rpc doesn't know."""
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(code)
    return known.name if known else str(code)


def to_status(exc: DomainError | RemoteError) -> status_pb2.Status:
    """The status that a client receives, with ErrorInfo always, BadRequest and RetryInfo where they apply."""
    status = status_pb2.Status(code=exc.code, message=exc.text)
    info = error_details_pb2.ErrorInfo(reason=exc.reason_name(), domain=ERROR_DOMAIN, metadata=exc.metadata)
    status.details.add().Pack(info)
    if exc.violations:
        bad = error_details_pb2.BadRequest()
        for each in exc.violations:
            bad.field_violations.add(field=each.field, description=each.description, reason=each.rule)
        status.details.add().Pack(bad)
    if exc.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(exc.retry_after_s * 1e9))
        status.details.add().Pack(retry)
    return status


def from_rpc_error(error: grpc.aio.AioRpcError) -> RemoteError:
    """What a peer refused, read from its status details. Details of other domains are not trusted as reasons."""
    code = int(error.code().value[0])
    reason, metadata, retry_after_s = "", dict[str, str](), None
    violations: list[FieldViolation] = []
    for detail in _details(error):
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == ERROR_DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Unpack(bad):
            violations = [FieldViolation(each.field, each.description, each.reason) for each in bad.field_violations]
    return RemoteError(code, reason, metadata, retry_after_s, text=error.details() or "", violations=violations)


def _details(error: grpc.aio.AioRpcError) -> Sequence[any_pb2.Any]:
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_METADATA_KEY and isinstance(value, bytes):
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                return ()
    return ()


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
