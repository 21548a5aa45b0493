"""The road that a claimed command takes to its handler."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import grpc

from groundline.options.v1 import access_pb2
from meshkit import call
from meshkit.errors import DomainError, from_rpc_error
from meshkit.identity import Principal, groups_for
from meshkit.outbox.handling import Attempt, Dead, Handler, Outcome, Retry
from meshkit.outbox.limit import Expired, TimeLimit
from meshkit.outbox.rows import Claimed, payload
from meshkit.telemetry import get_logger, new_traceparent

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The command went to a broker; its consumer marks the row. The row is claimed again once its lease ends."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The road is closed: no attempt was made, and none counts. Due again in `after_s` seconds."""

    error: str
    after_s: float


Carried: TypeAlias = Outcome | Forwarded | Undelivered


class Road(Protocol):
    """Brings one claimed command to its handler and reports what became of it."""

    async def carry(self, claimed: Claimed, *, max_attempts: int) -> Carried:
        """Never raises but for cancellation."""


class EmbeddedRoad:
    """Runs the handler in this process."""

    def __init__(self, handlers: Mapping[str, Handler[Any]], *, worker: str) -> None:
        self._handlers = handlers
        self._limits = {type: TimeLimit(handler.timeout_s) for type, handler in handlers.items()}
        self._principal = Principal(access_pb2.ROLE_SERVICE, worker, groups_for(access_pb2.ROLE_SERVICE))

    async def carry(self, claimed: Claimed, *, max_attempts: int) -> Carried:
        """Parses the payload and runs the handler under its time limit, as an activity with the command's trace."""
        handler = self._handlers[claimed.type]
        try:
            command = payload(claimed, handler.command)
        except ValueError as exc:
            return Dead(str(exc))
        attempt = Attempt(claimed.outbox_id, claimed.key, claimed.attempts, max_attempts)
        activity = call.Activity(
            request_id=str(claimed.outbox_id),
            traceparent=claimed.traceparent or new_traceparent(),
            deadline=time.monotonic() + handler.timeout_s,
            principal=self._principal,
        )
        token = call.enter(activity)
        try:
            return await self._limits[claimed.type].run(handler.handle(command, attempt))
        except Expired:
            return Retry(f"timed out after {handler.timeout_s:g} s")
        except Exception as exc:
            log.warning("attempt_failed", type=claimed.type, attempt=claimed.attempts, error=explain(exc), exc_info=exc)
            return Retry(explain(exc))
        finally:
            call.leave(token)


def explain(exc: Exception) -> str:
    """What went wrong without the exception's text, which may quote a customer."""
    if isinstance(exc, grpc.aio.AioRpcError):
        return f"peer answered {from_rpc_error(exc)}"
    if isinstance(exc, DomainError):
        return exc.reason_name()
    return type(exc).__name__
