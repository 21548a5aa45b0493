"""What a layer is, and how layers are put in order."""

import asyncio
import time
from collections.abc import Sequence
from typing import ClassVar, Self

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2

from meshkit.call import Call, Method


class Refused(Exception):
    """A call that ends with `status`; what the error layer makes of every exception, and what layers outside see."""

    def __init__(self, status: status_pb2.Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Layer:
    """One concern of every call.

    `before` runs on the way in and may refuse by raising; `on_message` runs for each request message, once for unary
    requests; `after` runs on the way out for every layer whose `before` returned, sees how the call ended and may
    replace that. None of them waits: what waits belongs into a handler, under the call's deadline.
    """

    name: ClassVar[str]
    inside: ClassVar[tuple[str, ...]] = ()
    """The layers that must stand outside this one, if they are in the chain at all."""

    def for_method(self, method: Method) -> Self:
        """The layer as `method` needs it; called once per method."""
        return self

    def before(self, call: Call) -> None:
        """On the way in."""

    def on_message(self, call: Call, message: Message) -> None:
        """For each request message."""

    def after(self, call: Call, error: BaseException | None) -> BaseException | None:
        """On the way out: returns what the layers outside see, None for success."""
        return error


def check_order(layers: Sequence[Layer]) -> None:
    """Raises ValueError if a layer is there twice, or stands outside one that must stand outside it."""
    names = [layer.name for layer in layers]
    if len(set(names)) != len(names):
        raise ValueError(f"a layer is there twice: {names}")
    for position, layer in enumerate(layers):
        misplaced = set(layer.inside) & set(names[position + 1 :])
        if misplaced:
            raise ValueError(f"{sorted(misplaced)} must stand outside {layer.name}")


def outcome(call: Call, error: BaseException | None) -> int:
    """How a call ended, as google.rpc.Code. A client that went away is CANCELLED, never OK."""
    if error is None:
        return _set_by_handler(call)
    if isinstance(error, Refused):
        return error.status.code
    if isinstance(error, grpc.aio.AbortError):
        return _set_by_handler(call) or code_pb2.UNKNOWN
    if isinstance(error, asyncio.CancelledError):
        passed = call.deadline is not None and time.monotonic() >= call.deadline
        return code_pb2.DEADLINE_EXCEEDED if passed else code_pb2.CANCELLED
    return code_pb2.UNKNOWN


def _set_by_handler(call: Call) -> int:
    code: object = call.context.code()
    # 0, an int or a StatusCode, depending on who set it.
    return int(code.value[0]) if isinstance(code, grpc.StatusCode) else int(str(code or 0))
