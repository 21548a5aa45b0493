"""Enforces the contract's constraints on every request message."""

from collections.abc import Iterator

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from protovalidate import FieldPathPb as FieldPath

from meshkit.call import Call
from meshkit.errors import FieldViolation, InvalidRequest
from meshkit.interceptors.layer import Layer

MAX_VIOLATIONS = 50


class Validation(Layer):
    """Answers InvalidRequest with a violation per broken constraint. NUL is refused in any string: PostgreSQL can't
    hold it, and finding that out at the insert would be an INTERNAL error."""

    name = "validation"
    inside = ("errors", "authentication", "access_rule")

    def __init__(self) -> None:
        self._validator = protovalidate.Validator()

    def on_message(self, call: Call, message: Message) -> None:
        if call.method.exempt:
            return
        violations = [
            FieldViolation(_path(each.proto.field), each.proto.message or "", each.proto.rule_id or "")
            for each in self._validator.collect_violations(message)
        ]
        # The byte 0 inside a string is the byte 0 in its encoding; most messages have none at all.
        if b"\0" in message.SerializeToString():
            violations.extend(
                FieldViolation(path, "must not contain the NUL character", "string.nul") for path in nul_fields(message)
            )
        if violations:
            raise InvalidRequest(violations=violations[:MAX_VIOLATIONS])


def nul_fields(message: Message, prefix: str = "") -> Iterator[str]:
    """The paths of all strings in `message` that contain NUL."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            kind = field.message_type.fields_by_name["value"]
            for key, each in value.items():
                if "\0" in str(key):
                    yield path
                yield from _nul_in(kind, each, f"{path}[{str(key)!r}]")
        elif field.is_repeated:
            if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
                for index, each in enumerate(value):
                    yield from _nul_in(field, each, f"{path}[{index}]")
        else:
            yield from _nul_in(field, value, path)


def _nul_in(field: FieldDescriptor, value: object, path: str) -> Iterator[str]:
    if field.type == FieldDescriptor.TYPE_STRING and "\0" in str(value):
        yield path
    elif isinstance(value, Message):
        yield from nul_fields(value, f"{path}.")


def _path(field: FieldPath | None) -> str:
    """A protovalidate field path as a reader writes it: `items[2].name`."""
    steps = []
    for element in field.elements if field else ():
        subscript = f"[{element.subscript.value!r}]" if element.subscript is not None else ""
        steps.append(f"{element.field_name}{subscript}")
    return ".".join(steps)
