"""What is being done right now: an RPC that is served, or one attempt at a command. Carried in a context variable."""

import asyncio
import time
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from groundline.options.v1 import access_pb2
from meshkit.identity import ANONYMOUS, Principal

# Infrastructure that probes and operators call without a credential. Everything else needs a rule in its contract.
EXEMPT_SERVICES = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection"}
)


@dataclass(frozen=True, slots=True)
class Method:
    """The facts of one RPC method, read once from its descriptor.

    `path` is `/package.Service/Method`. `access` and `options` are None where the contract has none. `deadline_s` and
    `max_stream_s` are None where the contract sets no bound.
    """

    path: str
    descriptor: MethodDescriptor | None
    access: access_pb2.Access | None
    options: access_pb2.Call | None
    exempt: bool

    @property
    def deadline_s(self) -> float | None:
        """The longest that a call may take, in seconds."""
        return self.options.deadline_ms / 1000 if self.options and self.options.deadline_ms else None

    @property
    def max_stream_s(self) -> float | None:
        """After how many seconds the server ends the stream."""
        return float(self.options.max_stream_s) if self.options and self.options.max_stream_s else None


def describe(path: str) -> Method:
    """Reads a method's facts from the descriptor pool. An unknown path has no descriptor and no access rule."""
    service, _, name = path.lstrip("/").rpartition("/")
    try:
        descriptor = descriptor_pool.Default().FindMethodByName(f"{service}.{name}")
    except KeyError:
        return Method(path, None, None, None, service in EXEMPT_SERVICES)
    options = descriptor.GetOptions()
    access = options.Extensions[access_pb2.access] if options.HasExtension(access_pb2.access) else None
    call = options.Extensions[access_pb2.call] if options.HasExtension(access_pb2.call) else None
    return Method(path, descriptor, access, call, service in EXEMPT_SERVICES)


@dataclass(slots=True)
class Activity:
    """What outgoing calls and logs need to know. `deadline` is on the clock of `time.monotonic()`; None: unbounded."""

    request_id: str = ""
    traceparent: str = ""
    deadline: float | None = None
    principal: Principal = ANONYMOUS


@dataclass(slots=True, kw_only=True)
class Call(Activity):
    """One RPC as the layers see it."""

    method: Method
    context: grpc.aio.ServicerContext[Any, Any]
    metadata: dict[str, str | bytes]
    started: float = field(default_factory=time.monotonic)
    span: Any = None


_current: ContextVar[Activity | None] = ContextVar("groundline_activity", default=None)


def current_activity() -> Activity | None:
    """The activity that this task works for, or None outside of any."""
    return _current.get()


def enter(activity: Activity) -> Token[Activity | None]:
    """Makes `activity` the current one in this task. Undo with `leave`, in the same task."""
    return _current.set(activity)


def leave(token: Token[Activity | None]) -> None:
    """Restores what was current before `enter`."""
    _current.reset(token)


def current_principal() -> Principal:
    """Who is calling. Raises LookupError outside of a call: code that needs a caller must not run without one."""
    activity = _current.get()
    if activity is None:
        raise LookupError("no call is being served in this task")
    return activity.principal


def current_request_id() -> str:
    """The id under which the current call is logged; "" outside of a call."""
    activity = _current.get()
    return activity.request_id if activity else ""


def remaining_s() -> float | None:
    """Seconds until the current deadline, never below 0; None where there is none."""
    activity = _current.get()
    if activity is None or activity.deadline is None:
        return None
    return max(0.0, activity.deadline - time.monotonic())


def loop_deadline(activity: Activity) -> float | None:
    """The activity's deadline on the running loop's clock, for `asyncio.timeout_at`."""
    if activity.deadline is None:
        return None
    return asyncio.get_running_loop().time() + (activity.deadline - time.monotonic())
