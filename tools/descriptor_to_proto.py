"""Prints a file descriptor as .proto source, for a definition that a wheel carries only as a descriptor.

Used for buf/validate/validate.proto, which no package in the registries ships as text; `make vendor` runs it.
Custom options on fields (validate.proto's own CEL predicates) are left out: the validator carries its own copy, and the
wire format does not depend on them. Comments are not in a descriptor.
"""

import importlib
import sys
from collections.abc import Iterator, Mapping

from google.protobuf import descriptor_pb2 as d

F = d.FieldDescriptorProto
MAX_FIELD_NUMBER = 536_870_911
SCALAR = {
    F.TYPE_DOUBLE: "double",
    F.TYPE_FLOAT: "float",
    F.TYPE_INT64: "int64",
    F.TYPE_UINT64: "uint64",
    F.TYPE_INT32: "int32",
    F.TYPE_FIXED64: "fixed64",
    F.TYPE_FIXED32: "fixed32",
    F.TYPE_BOOL: "bool",
    F.TYPE_STRING: "string",
    F.TYPE_BYTES: "bytes",
    F.TYPE_UINT32: "uint32",
    F.TYPE_SFIXED32: "sfixed32",
    F.TYPE_SFIXED64: "sfixed64",
    F.TYPE_SINT32: "sint32",
    F.TYPE_SINT64: "sint64",
}

Entry = tuple[d.FieldDescriptorProto, d.FieldDescriptorProto]


def load(module: str) -> d.FileDescriptorProto:
    """Reads the descriptor out of a generated module: protobuf-py's (`desc().proto`) or the stock (`DESCRIPTOR`)."""
    loaded = importlib.import_module(module)
    file = d.FileDescriptorProto()
    if hasattr(loaded, "DESCRIPTOR"):
        loaded.DESCRIPTOR.CopyToProto(file)
    else:
        described = loaded.desc() if callable(loaded.desc) else loaded.desc
        file.ParseFromString(described.proto.to_binary())
    return file


def to_source(file: d.FileDescriptorProto) -> str:
    """The .proto text of a proto2 or proto3 file. Raises ValueError for an editions file."""
    syntax = file.syntax or "proto2"
    if syntax == "editions":
        raise ValueError(f"{file.name}: editions are not handled")
    lines = [f'syntax = "{syntax}";', "", f"package {file.package};", ""]
    lines += [*(f'import "{name}";' for name in file.dependency), ""]
    for enum in file.enum_type:
        lines += [*_enum(enum, ""), ""]
    for message in file.message_type:
        lines += [*_message(message, f".{file.package}", syntax == "proto3", ""), ""]
    for field in file.extension:
        lines += [f"extend {field.extendee} {{", f"  {_field(field, syntax == 'proto3', {}, False)}", "}"]
    return "\n".join(lines).rstrip("\n") + "\n"


def _field_type(field: d.FieldDescriptorProto) -> str:
    return field.type_name or SCALAR[field.type]


def _field(field: d.FieldDescriptorProto, proto3: bool, maps: Mapping[str, Entry], in_oneof: bool) -> str:
    options = ["deprecated = true"] if field.options.deprecated else []
    if field.HasField("default_value"):
        value = f'"{field.default_value}"' if field.type == F.TYPE_STRING else field.default_value
        options.append(f"default = {value}")
    tail = f" [{', '.join(options)}]" if options else ""
    if field.type_name in maps:
        key, value_field = maps[field.type_name]
        return f"map<{_field_type(key)}, {_field_type(value_field)}> {field.name} = {field.number}{tail};"
    if field.label == F.LABEL_REPEATED:
        label = "repeated "
    elif field.label == F.LABEL_REQUIRED:
        label = "required "
    elif in_oneof or (proto3 and not field.proto3_optional):
        label = ""
    else:
        label = "optional "
    return f"{label}{_field_type(field)} {field.name} = {field.number}{tail};"


def _enum(enum: d.EnumDescriptorProto, pad: str) -> Iterator[str]:
    yield f"{pad}enum {enum.name} {{"
    if enum.options.allow_alias:
        yield f"{pad}  option allow_alias = true;"
    for value in enum.value:
        yield f"{pad}  {value.name} = {value.number};"
    for span in enum.reserved_range:
        yield f"{pad}  reserved {_span(span.start, span.end)};"
    yield f"{pad}}}"


def _span(first: int, last: int) -> str:
    if last >= MAX_FIELD_NUMBER:
        return f"{first} to max"
    return str(first) if first == last else f"{first} to {last}"


def _message(message: d.DescriptorProto, scope: str, proto3: bool, pad: str) -> Iterator[str]:
    full = f"{scope}.{message.name}"
    maps = {f"{full}.{n.name}": (n.field[0], n.field[1]) for n in message.nested_type if n.options.map_entry}
    yield f"{pad}message {message.name} {{"
    for nested in message.nested_type:
        if not nested.options.map_entry:
            yield from _message(nested, full, proto3, pad + "  ")
    for enum in message.enum_type:
        yield from _enum(enum, pad + "  ")
    printed: set[int] = set()
    for field in message.field:
        if not field.HasField("oneof_index") or field.proto3_optional:
            yield f"{pad}  {_field(field, proto3, maps, False)}"
        elif field.oneof_index not in printed:
            printed.add(field.oneof_index)
            yield f"{pad}  oneof {message.oneof_decl[field.oneof_index].name} {{"
            for member in message.field:
                if member.HasField("oneof_index") and member.oneof_index == field.oneof_index:
                    yield f"{pad}    {_field(member, proto3, maps, True)}"
            yield f"{pad}  }}"
    for extensions in message.extension_range:
        yield f"{pad}  extensions {_span(extensions.start, extensions.end - 1)};"
    for reserved in message.reserved_range:
        yield f"{pad}  reserved {_span(reserved.start, reserved.end - 1)};"
    if message.reserved_name:
        names = ", ".join(f'"{name}"' for name in message.reserved_name)
        yield f"{pad}  reserved {names};"
    yield f"{pad}}}"


if __name__ == "__main__":
    print(to_source(load(sys.argv[1])), end="")
