"""A contract for the tests of the chain: each call shape, each kind of access rule, each kind of constraint."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor

from groundline.options.v1 import access_pb2

PACKAGE = "meshkit.test.v1"
_FIELD = descriptor_pb2.FieldDescriptorProto
_AGENTS = access_pb2.Access(roles=[access_pb2.ROLE_AGENT, access_pb2.ROLE_SERVICE])
_OF_SESSION = access_pb2.Access(roles=[access_pb2.ROLE_CUSTOMER, access_pb2.ROLE_AGENT], scope=access_pb2.SCOPE_SESSION)
_PUBLIC = access_pb2.Access(public=True)


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="meshkit/test/v1/echo.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(["groundline/options/v1/access.proto", "buf/validate/validate.proto"])

    def field(message: Any, name: str, number: int, kind: int, *, repeated: bool = False, of: str = "") -> Any:
        label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
        type_name = f".{PACKAGE}.{of}" if of else None
        return message.field.add(name=name, number=number, type=kind, label=label, type_name=type_name)

    item = file.message_type.add(name="Item")
    field(item, "name", 1, _FIELD.TYPE_STRING)

    request = file.message_type.add(name="EchoRequest")
    field(request, "session_id", 1, _FIELD.TYPE_STRING)
    text = field(request, "text", 2, _FIELD.TYPE_STRING)
    text.options.Extensions[validate_pb2.field].string.max_len = 10
    items = field(request, "items", 3, _FIELD.TYPE_MESSAGE, repeated=True, of="Item")
    items.options.Extensions[validate_pb2.field].repeated.max_items = 3
    field(request, "labels", 4, _FIELD.TYPE_MESSAGE, repeated=True, of="EchoRequest.LabelsEntry")
    entry = request.nested_type.add(name="LabelsEntry")
    entry.options.map_entry = True
    field(entry, "key", 1, _FIELD.TYPE_STRING)
    field(entry, "value", 2, _FIELD.TYPE_STRING)
    field(request, "blob", 5, _FIELD.TYPE_BYTES)
    field(item, "code", 2, _FIELD.TYPE_STRING).options.Extensions[validate_pb2.field].string.pattern = "^[a-z]*$"

    reply = file.message_type.add(name="EchoReply")
    field(reply, "text", 1, _FIELD.TYPE_STRING)

    service = file.service.add(name="Echo")

    def method(name: str, access: access_pb2.Access | None, shape: str = "uu", **call: Any) -> None:
        added = service.method.add(name=name, client_streaming=shape[0] == "s", server_streaming=shape[1] == "s")
        added.input_type, added.output_type = f".{PACKAGE}.EchoRequest", f".{PACKAGE}.EchoReply"
        if access is not None:
            added.options.Extensions[access_pb2.access].CopyFrom(access)
        added.options.Extensions[access_pb2.call].CopyFrom(access_pb2.Call(**call))

    method("Unary", _AGENTS, deadline_ms=5000, idempotent=True)
    method("ServerStream", _AGENTS, "us", deadline_ms=5000)
    method("ClientStream", _AGENTS, "su", deadline_ms=5000)
    method("Both", _AGENTS, "ss", deadline_ms=5000)
    method("Public", _PUBLIC, deadline_ms=5000)
    method("OfSession", _OF_SESSION, deadline_ms=5000)
    method("OfSessionStream", _OF_SESSION, "ss", deadline_ms=5000)
    method("Ruleless", None, deadline_ms=5000)
    method("Brief", _AGENTS, deadline_ms=100)
    method("Tail", _AGENTS, "us", max_stream_s=1)
    return file


descriptor_pool.Default().AddSerializedFile(_file().SerializeToString())
SERVICE: ServiceDescriptor = descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.Echo")
EchoRequest: Any = message_factory.GetMessageClass(SERVICE.methods_by_name["Unary"].input_type)
EchoReply: Any = message_factory.GetMessageClass(SERVICE.methods_by_name["Unary"].output_type)

Behaviour = Callable[[Any, Any], Awaitable[Any] | AsyncIterator[Any]]


async def echo_unary(request: Any, context: Any) -> Any:
    return EchoReply(text=request.text)


async def echo_server_stream(request: Any, context: Any) -> AsyncIterator[Any]:
    for _ in range(3):
        yield EchoReply(text=request.text)


async def echo_client_stream(requests: Any, context: Any) -> Any:
    return EchoReply(text="".join([each.text async for each in requests]))


async def echo_both(requests: Any, context: Any) -> AsyncIterator[Any]:
    async for each in requests:
        yield EchoReply(text=each.text)


_ECHOES: dict[tuple[bool, bool], Behaviour] = {
    (False, False): echo_unary,
    (False, True): echo_server_stream,
    (True, False): echo_client_stream,
    (True, True): echo_both,
}
_SHAPES: dict[tuple[bool, bool], Any] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def add_echo_to_server(behaviours: dict[str, Behaviour], server: Any) -> None:
    """What a generated `add_…_to_server` does. Methods without a behaviour of their own echo."""
    handlers = {}
    for method in SERVICE.methods:
        shape = method.client_streaming, method.server_streaming
        behaviour = behaviours.get(method.name, _ECHOES[shape])
        handlers[method.name] = _SHAPES[shape](behaviour, EchoRequest.FromString, EchoReply.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),))
    server.add_registered_method_handlers(SERVICE.full_name, handlers)


class EchoStub:
    """What a generated stub does: an attribute per method."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        for method in SERVICE.methods:
            kind = ("stream" if method.client_streaming else "unary") + "_"
            kind += "stream" if method.server_streaming else "unary"
            path = f"/{SERVICE.full_name}/{method.name}"
            call = getattr(channel, kind)(path, EchoRequest.SerializeToString, EchoReply.FromString)
            setattr(self, method.name, call)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
