"""Turns every exception into a status: a foreseen one as its contract says, any other into INTERNAL without detail."""

import asyncio
from collections.abc import Callable, Sequence

import grpc
from google.rpc import code_pb2

from meshkit.call import Call
from meshkit.errors import (
    DependencyUnavailable,
    DomainError,
    Internal,
    RemoteError,
    from_rpc_error,
    to_status,
)
from meshkit.interceptors.layer import Layer, Refused
from meshkit.telemetry import get_logger

log = get_logger(__name__)

Translator = Callable[[BaseException], DomainError | None]

_PEER_RETRY_S = 1.0
_PEER_UNAVAILABLE = frozenset({code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED, code_pb2.DEADLINE_EXCEEDED})
# What a peer refused because of the caller's own request. A peer's UNAUTHENTICATED or PERMISSION_DENIED is about our
# credential, not the caller's, and therefore our bug.
_CALLERS_FAULT = frozenset(
    {
        code_pb2.INVALID_ARGUMENT,
        code_pb2.NOT_FOUND,
        code_pb2.ALREADY_EXISTS,
        code_pb2.FAILED_PRECONDITION,
        code_pb2.ABORTED,
        code_pb2.OUT_OF_RANGE,
    }
)


class Errors(Layer):
    """`translators` say what exceptions of other libraries mean (a full pool, an unreachable database)."""

    name = "errors"
    inside = ("request_id", "tracing", "metrics", "access_log")

    def __init__(self, translators: Sequence[Translator] = ()) -> None:
        self._translators = tuple(translators)

    def after(self, call: Call, error: BaseException | None) -> BaseException | None:
        if error is None or isinstance(error, Refused | asyncio.CancelledError | grpc.aio.AbortError):
            return error
        if not isinstance(error, Exception):
            return error
        if isinstance(error, grpc.aio.AioRpcError):
            error = from_rpc_error(error)
        foreseen = error if isinstance(error, DomainError) else self._translate(error)
        if foreseen is None and isinstance(error, RemoteError):
            if error.code in _CALLERS_FAULT and error.reason:
                return Refused(to_status(error), error.reason)
            if error.code in _PEER_UNAVAILABLE:
                foreseen = DependencyUnavailable(retry_after_s=error.retry_after_s or _PEER_RETRY_S)
        if foreseen is None:
            log.error("unforeseen_error", method=call.method.path, error=type(error).__name__, exc_info=error)
            foreseen = Internal(request_id=call.request_id)
        elif foreseen is not error:
            log.warning("dependency_failed", method=call.method.path, error=type(error).__name__)
        return Refused(to_status(foreseen), foreseen.reason_name())

    def _translate(self, error: BaseException) -> DomainError | None:
        for translate in self._translators:
            meaning = translate(error)
            if meaning is not None:
                return meaning
        return None
