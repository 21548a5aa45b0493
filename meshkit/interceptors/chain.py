"""Runs a call through the layers. Composed once per method; the same code for unary and streams, both ways."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from meshkit import call as calls
from meshkit.call import Call, Method
from meshkit.errors import STATUS_METADATA_KEY, DeadlineExceeded, Internal, InvalidRequest, to_status
from meshkit.interceptors.layer import Layer, Refused, check_order
from meshkit.telemetry import get_logger

log = get_logger(__name__)

_CODES = {int(code.value[0]): code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is known of a method before any call. `layers` from the outside inwards, without those that do nothing."""

    method: Method
    layers: tuple[Layer, ...]
    checks: tuple[Layer, ...]
    behaviour: Callable[[Any, Any], Any]
    request_streaming: bool
    response_streaming: bool


class Chain(grpc.aio.ServerInterceptor):
    """The layers as one interceptor. Raises ValueError if they are in a wrong order."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        check_order(layers)
        self.layers = tuple(layers)
        self._composed: dict[str, tuple[object, Any]] = {}

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """Gives grpc the method's own handler, wrapped; the same object for every call."""
        handler = await continuation(details)
        if handler is None:
            return None
        known = self._composed.get(details.method)
        # grpc makes no promise to return the same handler for ever.
        if known is None or known[0] is not handler:
            known = self._composed[details.method] = (handler, self._compose(details.method, handler))
        return known[1]

    def _compose(self, path: str, handler: Any) -> Any:
        method = calls.describe(path)
        bound = [layer.for_method(method) for layer in self.layers]
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        plan = _Plan(
            method,
            tuple(each for each in bound if _overrides(each, "before") or _overrides(each, "after")),
            tuple(each for each in bound if _overrides(each, "on_message")),
            behaviour,
            handler.request_streaming,
            handler.response_streaming,
        )

        async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            return await _run(plan, request, context)

        shape = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return shape(serve, _tolerant(handler.request_deserializer), handler.response_serializer)


# Stands for a request whose bytes are no message of the method's type: bad wire format, or text that is not UTF-8.
_UNREADABLE: Any = object()


def _tolerant(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """grpc would answer UNKNOWN, with the exception's text, before any layer has seen the call."""
    if deserialize is None:
        return None

    def read(raw: bytes) -> Any:
        try:
            return deserialize(raw)
        except DecodeError:
            return _UNREADABLE

    return read


def _check(plan: _Plan, call: Call, message: Any) -> None:
    if message is _UNREADABLE:
        raise InvalidRequest("The request is not an encoded message of this method's type.")
    for layer in plan.checks:
        layer.on_message(call, message)


def _overrides(layer: Layer, hook: str) -> bool:
    return getattr(type(layer), hook) is not getattr(Layer, hook)


async def _run(plan: _Plan, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
    call = Call(method=plan.method, context=context, metadata=dict(context.invocation_metadata() or ()))
    theirs = context.time_remaining()
    call.deadline = _deadline(call, theirs)
    calls.enter(call)  # Each RPC is served in a task of its own, so nothing has to be restored.
    entered, answer, error = 0, None, None
    try:
        for layer in plan.layers:
            layer.before(call)
            entered += 1
        answer = await _serve(plan, call, request, theirs)
    except BaseException as exc:
        error = exc
    for layer in reversed(plan.layers[:entered]):
        try:
            error = layer.after(call, error)
        except Exception as exc:
            log.error("layer_failed", layer=layer.name, method=plan.method.path, exc_info=exc)
            error = Refused(to_status(Internal(request_id=call.request_id)), Internal.reason_name())
    if error is None:
        return answer
    if isinstance(error, Refused):
        await _abort(call, error)
    raise error


def _deadline(call: Call, theirs: float | None) -> float | None:
    """The client's deadline or the contract's, whichever comes first, on the monotonic clock."""
    bounds = [each for each in (theirs, call.method.deadline_s) if each is not None]
    return call.started + min(bounds) if bounds else None


async def _serve(plan: _Plan, call: Call, request: Any, theirs: float | None) -> Any:
    """Handles the call under the contract's bounds. grpc itself cancels at the client's deadline: a timer of our own is
    set, and paid for, only where the contract is stricter."""
    ours = plan.method.deadline_s
    stream_s = plan.method.max_stream_s if plan.response_streaming else None
    ends_s = min((each for each in (ours, stream_s) if each is not None), default=None)
    if ends_s is None or (theirs is not None and theirs <= ends_s):
        return await _handle(plan, call, request)
    try:
        async with asyncio.timeout(ends_s) as limit:
            return await _handle(plan, call, request)
    except TimeoutError as exc:
        if not limit.expired():
            raise
        if ends_s == stream_s:
            # The stream has had its time; the reader connects again and resumes.
            return None
        raise DeadlineExceeded() from exc


async def _handle(plan: _Plan, call: Call, request: Any) -> Any:
    context: Any = call.context
    if plan.request_streaming:
        request, context = _checked(plan, call, request), _CheckedContext(plan, call)
    else:
        _check(plan, call, request)
    if not plan.response_streaming:
        return await plan.behaviour(request, context)
    answers = plan.behaviour(request, context)
    if not hasattr(answers, "__aiter__"):
        return await answers
    async with aclosing(answers):
        async for message in answers:
            await context.write(message)
    return None


async def _checked(plan: _Plan, call: Call, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for message in requests:
        _check(plan, call, message)
        yield message


class _CheckedContext:
    """The context of a call with streamed requests: `read()` must not be a way around the checks."""

    def __init__(self, plan: _Plan, call: Call) -> None:
        self._plan, self._call = plan, call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call.context, name)

    async def read(self) -> Any:
        message = await self._call.context.read()
        if message is not grpc.aio.EOF:
            _check(self._plan, self._call, message)
        return message


def _abort(call: Call, refused: Refused) -> Awaitable[Any]:
    """Ends the call with all of the status' details. (`abort_with_status` wants an object of another shape.)"""
    status = refused.status
    trailing = ((STATUS_METADATA_KEY, status.SerializeToString()), ("x-request-id", call.request_id))
    return call.context.abort(_CODES[status.code], status.message, trailing)
