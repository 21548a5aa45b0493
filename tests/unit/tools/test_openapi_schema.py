"""Constraints and protobuf's JSON mapping as JSON Schema."""

from pathlib import Path
from typing import Any

import grpc_tools
import pytest
from grpc_tools import protoc

from tools.contract import Contract
from tools.openapi_schema import Schemas

ROOT = Path(__file__).resolve().parents[3]
HEAD = """\
syntax = "proto3";
package groundline.sample.v1;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/timestamp.proto";
enum Mood {
  // Nothing said.
  MOOD_UNSPECIFIED = 0;
  // Good.
  MOOD_GOOD = 1;
}
message Inner { string name = 1; }
message Sample {
"""


@pytest.fixture
def schema_of(tmp_path: Path) -> Any:
    """Gives the schema of a field declared as `field x`, as the only one of its message."""

    def compile_field(declaration: str) -> dict[str, Any]:
        (tmp_path / "sample.proto").write_text(HEAD + declaration + "\n}\n", encoding="utf-8")
        out = tmp_path / "out.binpb"
        own = Path(grpc_tools.__file__).parent / "_proto"
        third_party = [ROOT / "third_party/googleapis", ROOT / "third_party/protovalidate"]
        includes = [f"-I{folder}" for folder in (tmp_path, own, *third_party)]
        arguments = [*includes, "--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
        assert protoc.main(["protoc", *arguments, "sample.proto"]) == 0
        contract = Contract.parse(out.read_bytes())
        schemas = Schemas(contract)
        schemas.reference("groundline.sample.v1.Sample")
        found: dict[str, Any] = schemas.components()["groundline.sample.v1.Sample"]
        return found

    return compile_field


@pytest.mark.parametrize(
    ("declaration", "schema"),
    [
        (
            "string x = 1 [(buf.validate.field).string = {min_len: 1 max_len: 9}];",
            {"type": "string", "minLength": 1, "maxLength": 9},
        ),
        ("string x = 1 [(buf.validate.field).string.max_bytes = 64];", {"type": "string", "x-max-bytes": 64}),
        ("string x = 1 [(buf.validate.field).string.uuid = true];", {"type": "string", "format": "uuid"}),
        (
            "int32 x = 1 [(buf.validate.field).int32 = {gte: 0 lt: 5}];",
            {"type": "integer", "format": "int32", "minimum": 0, "exclusiveMaximum": 5},
        ),
        (
            "int64 x = 1 [(buf.validate.field).int64.gte = 0];",
            {"type": "string", "format": "int64", "x-minimum": 0},
        ),
        ("double x = 1;", {"type": "number", "format": "double"}),
        ("bytes x = 1;", {"type": "string", "contentEncoding": "base64"}),
        ("google.protobuf.Timestamp x = 1;", {"type": "string", "format": "date-time"}),
        ("Inner x = 1;", {"$ref": "#/components/schemas/groundline.sample.v1.Inner"}),
        (
            "Mood x = 1 [(buf.validate.field).enum = {defined_only: true not_in: [0]}];",
            {"$ref": "#/components/schemas/groundline.sample.v1.Mood", "enum": ["MOOD_GOOD"]},
        ),
        (
            "repeated string x = 1 [(buf.validate.field).repeated = {max_items: 3 items: {string: {max_len: 2}}}];",
            {"type": "array", "items": {"type": "string", "maxLength": 2}, "maxItems": 3},
        ),
        (
            "map<string, int32> x = 1 [(buf.validate.field).map = {max_pairs: 3}];",
            {
                "type": "object",
                "additionalProperties": {"type": "integer", "format": "int32"},
                "maxProperties": 3,
            },
        ),
        (
            "string x = 1 [debug_redact = true, (google.api.field_behavior) = OUTPUT_ONLY];",
            {"type": "string", "x-sensitive": True, "readOnly": True},
        ),
        ("// What it is.\n  bool x = 1;", {"type": "boolean", "description": "What it is."}),
    ],
)
def test_field(schema_of: Any, declaration: str, schema: dict[str, Any]) -> None:
    assert schema_of(declaration)["properties"]["x"] == schema


@pytest.mark.parametrize(
    ("declaration", "required"),
    [
        ("string x = 1 [(buf.validate.field).string.uuid = true];", True),
        ("optional string x = 1 [(buf.validate.field).string.uuid = true];", False),
        ('string x = 1 [(buf.validate.field).string.pattern = "^[a-z]{1,3}$"];', True),
        ('string x = 1 [(buf.validate.field).string.pattern = "^[a-z]{0,3}$"];', False),
        ("Mood x = 1 [(buf.validate.field).enum = {defined_only: true not_in: [0]}];", True),
        ("Inner x = 1 [(buf.validate.field).required = true];", True),
        ("Inner x = 1;", False),
        ("repeated string x = 1 [(buf.validate.field).repeated.min_items = 1];", True),
    ],
)
def test_required(schema_of: Any, declaration: str, required: bool) -> None:
    assert ("required" in schema_of(declaration)) is required
