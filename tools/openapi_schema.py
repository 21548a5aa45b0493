"""JSON Schema (as OpenAPI 3.1 has it) of messages and enums, in protobuf's JSON mapping with the proto's field names.

Constraints of `buf.validate` become the schema's own keywords where one exists, and `x-…` keys where none does.
"""

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2 as d

from tools.contract import FLOAT_TYPES, INTEGER_TYPES, Contract, Enum, Field, Message

Schema = dict[str, Any]
F = d.FieldDescriptorProto

WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$", "examples": ["1.5s"]},
    "google.protobuf.FieldMask": {"type": "string", "description": "Field names, separated by commas."},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
        "additionalProperties": True,
    },
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.BytesValue": {"type": "string", "contentEncoding": "base64"},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.Int32Value": {"type": "integer", "format": "int32"},
    "google.protobuf.UInt32Value": {"type": "integer", "format": "uint32"},
    "google.protobuf.Int64Value": {"type": "string", "format": "int64"},
    "google.protobuf.UInt64Value": {"type": "string", "format": "uint64"},
    "google.protobuf.DoubleValue": {"type": "number", "format": "double"},
    "google.protobuf.FloatValue": {"type": "number", "format": "float"},
}
WIDE = frozenset({F.TYPE_INT64, F.TYPE_UINT64, F.TYPE_SINT64, F.TYPE_FIXED64, F.TYPE_SFIXED64})
UNSIGNED = frozenset({F.TYPE_UINT32, F.TYPE_UINT64, F.TYPE_FIXED32, F.TYPE_FIXED64})
STRING_FORMATS = {"uuid": "uuid", "email": "email", "uri": "uri", "uri_ref": "uri-reference", "hostname": "hostname"}
STRING_KEYWORDS = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern", "in": "enum", "const": "const"}
NUMBER_KEYWORDS = {
    "gte": "minimum",
    "gt": "exclusiveMinimum",
    "lte": "maximum",
    "lt": "exclusiveMaximum",
    "in": "enum",
    "const": "const",
}
LIST_KEYWORDS = {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"}
MAP_KEYWORDS = {"min_pairs": "minProperties", "max_pairs": "maxProperties"}


class Schemas:
    """Schemas of a contract; remembers which messages and enums were referred to, so that only these are written."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._components: dict[str, Schema] = {}

    def components(self) -> dict[str, Schema]:
        """Schema of everything referred to so far, by full name, sorted."""
        return dict(sorted(self._components.items()))

    def reference(self, full_name: str) -> Schema:
        """A reference to a message or enum, or its schema where that is one of protobuf's well-known ones."""
        if full_name in WELL_KNOWN:
            return dict(WELL_KNOWN[full_name])
        if full_name not in self._components:
            self._components[full_name] = {}
            self._components[full_name] = self._declared(full_name)
        return {"$ref": f"#/components/schemas/{full_name}"}

    def body(self, message: Message, without: frozenset[str]) -> Schema:
        """Schema of a request's body: the message less the fields that travel in the path."""
        if not without:
            return self.reference(message.full_name)
        kept = tuple(f for f in message.fields if f.name not in without)
        return self._object(message, kept)

    def value(self, field: Field) -> Schema:
        """Schema of a field's value, with its constraints, its comment and its marks."""
        marks: Schema = {"description": field.comment} if field.comment else {}
        if field.options.get("debug_redact"):
            marks["x-sensitive"] = True
        if field.options.get("deprecated"):
            marks["deprecated"] = True
        if "OUTPUT_ONLY" in field.options.get("[google.api.field_behavior]", ()):
            marks["readOnly"] = True
        constraints = [rule.get("message") or rule.get("expression", "") for rule in field.rules.get("cel", ())]
        constraints += field.rules.get("cel_expression", ())
        if constraints:
            marks["x-constraints"] = constraints
        return {**self._shape(field), **marks}

    def _declared(self, full_name: str) -> Schema:
        enum = self._contract.enums.get(full_name)
        if enum is not None:
            return _enum(enum)
        message = self._contract.messages[full_name]
        return self._object(message, message.fields)

    def _object(self, message: Message, fields: tuple[Field, ...]) -> Schema:
        schema: Schema = {"type": "object"}
        notes = [message.comment] if message.comment else []
        oneofs: dict[str, list[str]] = {}
        for field in fields:
            if field.oneof:
                oneofs.setdefault(field.oneof, []).append(field.name)
        notes += [f"At most one of {', '.join(f'`{name}`' for name in names)}." for names in oneofs.values()]
        if notes:
            schema["description"] = "\n\n".join(notes)
        properties = {field.name: self.value(field) for field in fields}
        if properties:
            schema["properties"] = properties
        required = [field.name for field in fields if is_required(field)]
        if required:
            schema["required"] = required
        return schema

    def _shape(self, field: Field) -> Schema:
        rules = field.rules
        if not field.repeated:
            return self._constrained(field, rules)
        entry = self._contract.messages.get(field.type_name)
        if entry is not None and entry.map_entry:
            pairs = rules.get("map", {})
            schema: Schema = {
                "type": "object",
                "additionalProperties": self._constrained(entry.field("value"), pairs.get("values", {})),
            }
            keys = self._constrained(entry.field("key"), pairs.get("keys", {}))
            if "keys" in pairs:
                schema["propertyNames"] = keys
            return {**schema, **_keywords(pairs, MAP_KEYWORDS)}
        items = rules.get("repeated", {})
        return {
            "type": "array",
            "items": self._constrained(field, items.get("items", {})),
            **_keywords(items, LIST_KEYWORDS),
        }

    def _constrained(self, field: Field, rules: Mapping[str, Any]) -> Schema:
        kind = field.proto.type
        if kind == F.TYPE_MESSAGE:
            return self.reference(field.type_name)
        if kind == F.TYPE_ENUM:
            return self._enum_value(field.type_name, rules.get("enum", {}))
        if kind == F.TYPE_STRING:
            return _string(rules.get("string", {}))
        if kind == F.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64", **_prefixed(rules.get("bytes", {}))}
        if kind == F.TYPE_BOOL:
            return {"type": "boolean", **_keywords(rules.get("bool", {}), {"const": "const"})}
        return _number(field, rules)

    def _enum_value(self, full_name: str, rules: Mapping[str, Any]) -> Schema:
        reference = self.reference(full_name)
        values = self._contract.enums[full_name].values
        allowed = [
            v.name
            for v in values
            if v.number not in rules.get("not_in", ())
            and ("in" not in rules or v.number in rules["in"])
            and ("const" not in rules or v.number == rules["const"])
        ]
        return reference if len(allowed) == len(values) else {**reference, "enum": allowed}


def is_required(field: Field) -> bool:
    """True where a request without the field is refused: said to be required, or its default breaks its constraints."""
    rules = field.rules
    if rules.get("required") or "REQUIRED" in field.options.get("[google.api.field_behavior]", ()):
        return True
    if field.repeated:
        return int(rules.get("repeated", {}).get("min_items", 0)) > 0
    if field.proto.proto3_optional or field.oneof or "ignore" in rules:
        return False
    if field.proto.type == F.TYPE_STRING:
        return _refuses_empty(rules.get("string", {}))
    if field.proto.type == F.TYPE_BYTES:
        return int(rules.get("bytes", {}).get("min_len", 0)) > 0
    return field.proto.type == F.TYPE_ENUM and 0 in rules.get("enum", {}).get("not_in", ())


def _refuses_empty(rules: Mapping[str, Any]) -> bool:
    if rules.get("uuid") or int(rules.get("min_len", 0)) > 0:
        return True
    return ("pattern" in rules and not re.search(rules["pattern"], "")) or ("in" in rules and "" not in rules["in"])


def _enum(enum: Enum) -> Schema:
    lines = [enum.comment, ""] if enum.comment else []
    lines += [f"- `{value.name}`: {' '.join(value.comment.split())}" for value in enum.values]
    return {"type": "string", "enum": [value.name for value in enum.values], "description": "\n".join(lines)}


def _string(rules: Mapping[str, Any]) -> Schema:
    schema: Schema = {"type": "string", **_keywords(rules, STRING_KEYWORDS)}
    for rule, name in STRING_FORMATS.items():
        if rules.get(rule):
            schema["format"] = name
    named = {*STRING_KEYWORDS, *STRING_FORMATS}
    return {**schema, **_prefixed({k: v for k, v in rules.items() if k not in named})}


def _number(field: Field, rules: Mapping[str, Any]) -> Schema:
    kind = field.proto.type
    name = F.Type.Name(kind).removeprefix("TYPE_").lower()
    constraints = rules.get(name, {})
    if kind in FLOAT_TYPES:
        return {"type": "number", "format": name, **_keywords(constraints, NUMBER_KEYWORDS)}
    assert kind in INTEGER_TYPES, name
    width = "64" if kind in WIDE else "32"
    form = f"{'u' if kind in UNSIGNED else ''}int{width}"
    if kind in WIDE:
        # JSON carries 64-bit integers as strings, where numeric keywords don't apply.
        return {"type": "string", "format": form, **_prefixed(_keywords(constraints, NUMBER_KEYWORDS))}
    return {"type": "integer", "format": form, **_keywords(constraints, NUMBER_KEYWORDS)}


def _keywords(rules: Mapping[str, Any], names: Mapping[str, str]) -> Schema:
    # Lengths are uint64 in the rules, and protobuf's JSON makes those strings.
    return {keyword: _as_number(rules[rule]) for rule, keyword in names.items() if rule in rules}


def _as_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _prefixed(rules: Mapping[str, Any]) -> Schema:
    return {f"x-{rule.replace('_', '-')}": _as_number(value) for rule, value in rules.items()}
