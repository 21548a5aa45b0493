"""Which fields of a request have no bound: the walk behind the contract tests."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2 as d

from tools.contract import FLOAT_TYPES, INTEGER_TYPES, Contract, Field, Message

F = d.FieldDescriptorProto
RULE_OF = {
    F.TYPE_INT32: "int32",
    F.TYPE_INT64: "int64",
    F.TYPE_UINT32: "uint32",
    F.TYPE_UINT64: "uint64",
    F.TYPE_SINT32: "sint32",
    F.TYPE_SINT64: "sint64",
    F.TYPE_FIXED32: "fixed32",
    F.TYPE_FIXED64: "fixed64",
    F.TYPE_SFIXED32: "sfixed32",
    F.TYPE_SFIXED64: "sfixed64",
    F.TYPE_DOUBLE: "double",
    F.TYPE_FLOAT: "float",
}
BOUNDED_STRING = frozenset({"max_len", "len", "max_bytes", "len_bytes", "uuid", "tuuid", "in", "const", "ip"})
BOUNDED_BYTES = frozenset({"max_len", "len", "in", "const"})
BOUNDED_NUMBER = frozenset({"gt", "gte", "lt", "lte", "in", "const"})
BOUNDED_ENUM = frozenset({"defined_only", "in", "const"})
# Protobuf's own messages that have a bound by themselves, or that the servicer checks name by name (FieldMask).
BOUNDED_MESSAGES = frozenset(
    {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask", "google.protobuf.Empty"}
)
# What stands inside brackets or behind a backslash quantifies nothing.
LITERAL = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]")
UNBOUNDED_QUANTIFIER = re.compile(r"[*+]|\{\d*,\}")


def unbounded(contract: Contract, request: str) -> Iterator[str]:
    """Names every field reachable from a request that accepts values without a bound.

    What the caller can't set (`OUTPUT_ONLY`) is left out. A measurement (float) inside a nested message needs no range:
    its size is bounded, and whoever decides by it must refuse what is not a number anyway.
    """
    yield from _walk(contract, contract.messages[request], set())


def _walk(contract: Contract, message: Message, seen: set[str]) -> Iterator[str]:
    nested_message = bool(seen)
    seen.add(message.full_name)
    for field in message.fields:
        if "OUTPUT_ONLY" in field.options.get("[google.api.field_behavior]", ()):
            continue
        why = "" if nested_message and field.proto.type in FLOAT_TYPES else _missing(contract, field)
        if why:
            yield f"{field.full_name}: {why}"
        nested = _nested(contract, field)
        if nested is not None and nested.full_name.startswith("groundline.") and nested.full_name not in seen:
            yield from _walk(contract, nested, seen)


def _nested(contract: Contract, field: Field) -> Message | None:
    message = contract.messages.get(field.type_name)
    if message is not None and message.map_entry:
        return contract.messages.get(message.field("value").type_name)
    return message


def _missing(contract: Contract, field: Field) -> str:
    rules = field.rules
    if not field.repeated:
        return _missing_value(field, rules)
    entry = contract.messages.get(field.type_name)
    if entry is not None and entry.map_entry:
        pairs = rules.get("map", {})
        if "max_pairs" not in pairs:
            return "a map without max_pairs"
        key = _missing_value(entry.field("key"), pairs.get("keys", {}))
        value = _missing_value(entry.field("value"), pairs.get("values", {}))
        return key or value
    items = rules.get("repeated", {})
    if "max_items" not in items:
        return "a list without max_items"
    return _missing_value(field, items.get("items", {}))


def _missing_value(field: Field, rules: Mapping[str, Any]) -> str:
    kind = field.proto.type
    if kind == F.TYPE_STRING:
        return "" if _bounded_string(rules.get("string", {})) else "a string without an upper bound"
    if kind == F.TYPE_BYTES:
        return "" if BOUNDED_BYTES & rules.get("bytes", {}).keys() else "bytes without an upper bound"
    if kind == F.TYPE_ENUM:
        return "" if BOUNDED_ENUM & rules.get("enum", {}).keys() else "an enum that takes unknown values"
    if kind in INTEGER_TYPES or kind in FLOAT_TYPES:
        constraints = rules.get(RULE_OF[kind], {})
        bounded = BOUNDED_NUMBER & constraints.keys() or constraints.get("finite")
        return "" if bounded else "a number without a range"
    if kind == F.TYPE_MESSAGE and not field.type_name.startswith("groundline."):
        return "" if field.type_name in BOUNDED_MESSAGES else f"holds {field.type_name}, which has no bound"
    return ""


def _bounded_string(rules: Mapping[str, Any]) -> bool:
    if BOUNDED_STRING & rules.keys():
        return True
    pattern = rules.get("pattern", "")
    anchored = pattern.startswith("^") and pattern.endswith("$")
    return anchored and not UNBOUNDED_QUANTIFIER.search(LITERAL.sub("x", pattern))
