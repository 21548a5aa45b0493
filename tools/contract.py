"""Reads a set of file descriptors as plain data: methods, fields, their comments and their options by name.

Options are custom extensions whose Python modules need not exist yet (the generator of the OpenAPI document runs before
anything is generated), so they are decoded with the descriptors they came with.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2 as d
from google.protobuf import descriptor_pool, json_format, message_factory

F = d.FieldDescriptorProto
INTEGER_TYPES = frozenset(
    {
        F.TYPE_INT32,
        F.TYPE_INT64,
        F.TYPE_UINT32,
        F.TYPE_UINT64,
        F.TYPE_SINT32,
        F.TYPE_SINT64,
        F.TYPE_FIXED32,
        F.TYPE_FIXED64,
        F.TYPE_SFIXED32,
        F.TYPE_SFIXED64,
    }
)
FLOAT_TYPES = frozenset({F.TYPE_DOUBLE, F.TYPE_FLOAT})

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Element:
    """What every named thing of a contract has. `options` are as in protobuf's JSON, extensions as `[full.name]`."""

    name: str
    full_name: str
    comment: str
    options: Options


@dataclass(frozen=True)
class Field(Element):
    """A field of a message. `oneof` is empty outside a (real) oneof."""

    proto: d.FieldDescriptorProto
    oneof: str

    @property
    def repeated(self) -> bool:
        """True for lists and maps."""
        return self.proto.label == F.LABEL_REPEATED

    @property
    def type_name(self) -> str:
        """Full name of the message or enum, empty for scalars."""
        return self.proto.type_name.removeprefix(".")

    @property
    def rules(self) -> Options:
        """The field's `buf.validate.field` option."""
        found: Options = self.options.get("[buf.validate.field]", {})
        return found


@dataclass(frozen=True)
class EnumValue(Element):
    """A value of an enum."""

    number: int


@dataclass(frozen=True)
class Enum(Element):
    """An enum."""

    file: str
    values: tuple[EnumValue, ...]


@dataclass(frozen=True)
class Message(Element):
    """A message. `map_entry` marks the hidden message behind a map field."""

    file: str
    fields: tuple[Field, ...]
    map_entry: bool

    def field(self, name: str) -> Field:
        """The field of that name. Raises KeyError."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(f"{self.full_name} has no field {name}")


@dataclass(frozen=True)
class Method(Element):
    """A method of a service."""

    proto: d.MethodDescriptorProto

    @property
    def request(self) -> str:
        """Full name of the request message."""
        return self.proto.input_type.removeprefix(".")

    @property
    def response(self) -> str:
        """Full name of the response message."""
        return self.proto.output_type.removeprefix(".")

    @property
    def access(self) -> Options | None:
        """The access rule, None where it was never given."""
        return self.options.get("[groundline.options.v1.access]")

    @property
    def call(self) -> Options | None:
        """Deadline and idempotency, None where they were never given."""
        return self.options.get("[groundline.options.v1.call]")

    @property
    def http(self) -> Options | None:
        """The `google.api.http` rule, None where the method is gRPC only."""
        return self.options.get("[google.api.http]")


@dataclass(frozen=True)
class Service(Element):
    """A service and its methods in the order of its file."""

    file: str
    methods: tuple[Method, ...]


@dataclass
class Contract:
    """Everything that a set of files declares, by full name, in the order of the files."""

    files: Iterable[d.FileDescriptorProto] = field(repr=False)
    messages: dict[str, Message] = field(default_factory=dict, repr=False)
    enums: dict[str, Enum] = field(default_factory=dict, repr=False)
    services: dict[str, Service] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.files = tuple(self.files)
        pool = descriptor_pool.DescriptorPool()
        for file in self.files:
            pool.Add(file)
        decoder = _Decoder(pool)
        for file in self.files:
            self._read_file(file, decoder)

    @classmethod
    def parse(cls, descriptor_set: bytes) -> "Contract":
        """Reads a serialized FileDescriptorSet that holds its imports before their importers."""
        return cls(d.FileDescriptorSet.FromString(descriptor_set).file)

    def own(self, element: Message | Enum | Service) -> bool:
        """True for what this repository declares, rather than imports."""
        return element.full_name.startswith("groundline.")

    def _read_file(self, file: d.FileDescriptorProto, decoder: "_Decoder") -> None:
        comments = {tuple(at.path): _text(at) for at in file.source_code_info.location}
        scope = _Scope(file.name, comments, decoder)
        for index, message in enumerate(file.message_type):
            self._read_message(message, file.package, (4, index), scope)
        for index, enum in enumerate(file.enum_type):
            self._read_enum(enum, file.package, (5, index), scope)
        for index, service in enumerate(file.service):
            full_name = f"{file.package}.{service.name}"
            methods = tuple(
                Method(**scope.element(method, full_name, (6, index, 2, at)), proto=method)
                for at, method in enumerate(service.method)
            )
            element = scope.element(service, file.package, (6, index))
            self.services[full_name] = Service(**element, file=file.name, methods=methods)

    def _read_message(self, message: d.DescriptorProto, parent: str, path: tuple[int, ...], scope: "_Scope") -> None:
        element = scope.element(message, parent, path)
        full_name = element["full_name"]
        fields = []
        for index, proto in enumerate(message.field):
            real = proto.HasField("oneof_index") and not proto.proto3_optional
            oneof = message.oneof_decl[proto.oneof_index].name if real else ""
            fields.append(Field(**scope.element(proto, full_name, (*path, 2, index)), proto=proto, oneof=oneof))
        self.messages[full_name] = Message(
            **element, file=scope.file, fields=tuple(fields), map_entry=message.options.map_entry
        )
        for index, nested in enumerate(message.nested_type):
            self._read_message(nested, full_name, (*path, 3, index), scope)
        for index, enum in enumerate(message.enum_type):
            self._read_enum(enum, full_name, (*path, 4, index), scope)

    def _read_enum(self, enum: d.EnumDescriptorProto, parent: str, path: tuple[int, ...], scope: "_Scope") -> None:
        element = scope.element(enum, parent, path)
        values = tuple(
            EnumValue(**scope.element(value, parent, (*path, 2, index)), number=value.number)
            for index, value in enumerate(enum.value)
        )
        self.enums[element["full_name"]] = Enum(**element, file=scope.file, values=values)

    def methods(self) -> Iterator[tuple[Service, Method]]:
        """Every method of every service of ours."""
        for service in self.services.values():
            if self.own(service):
                for method in service.methods:
                    yield service, method


@dataclass
class _Decoder:
    """Decodes options with the extensions of one pool."""

    pool: descriptor_pool.DescriptorPool
    kinds: dict[str, Any] = field(default_factory=dict)

    def options(self, options: Any) -> Options:
        if not options.ByteSize():
            return {}
        name = options.DESCRIPTOR.full_name
        if name not in self.kinds:
            self.kinds[name] = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))
        decoded = self.kinds[name].FromString(options.SerializeToString())
        return json_format.MessageToDict(decoded, preserving_proto_field_name=True, descriptor_pool=self.pool)


@dataclass(frozen=True)
class _Scope:
    """One file while it is read."""

    file: str
    comments: Mapping[tuple[int, ...], str]
    decoder: _Decoder

    def element(self, proto: Any, parent: str, path: tuple[int, ...]) -> dict[str, Any]:
        return {
            "name": proto.name,
            "full_name": f"{parent}.{proto.name}",
            "comment": self.comments.get(path, ""),
            "options": self.decoder.options(proto.options),
        }


def _text(location: d.SourceCodeInfo.Location) -> str:
    """A comment with the space after each `//` taken away; the one above an element wins over the one behind it."""
    raw = location.leading_comments or location.trailing_comments
    return "\n".join(line.removeprefix(" ").rstrip() for line in raw.strip("\n").split("\n")).strip()
