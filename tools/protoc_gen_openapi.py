"""A buf plugin that writes `openapi.yaml`: the REST surface of the contracts as OpenAPI 3.1.

Everything in it comes from the descriptors: `google.api.http` rules, comments, access rules and `buf.validate`
constraints. The same input gives the same bytes.
"""

import sys
from typing import Any

import yaml
from google.protobuf import any_pb2, descriptor_pb2, duration_pb2
from google.protobuf.compiler import plugin_pb2
from google.rpc import error_details_pb2, status_pb2

from tools.contract import Contract
from tools.openapi_paths import operations
from tools.openapi_schema import Schemas

FILE_NAME = "openapi.yaml"
ERROR_DETAILS = ("ErrorInfo", "BadRequest", "RetryInfo")
ABOUT = """\
A customer-support desk that never guesses: cited answers, or one ticket with everything known.

JSON is protobuf's mapping with the contracts' own field names; enums travel by name, 64-bit integers as strings,
timestamps as RFC 3339. Errors are `google.rpc.Status`; `details` hold a `google.rpc.ErrorInfo` whose `reason` is
stable. `x-access` says which roles may call, `x-deadline-ms` how long a call may take, `x-idempotent` whether it may be
sent again.
"""
ERROR = """\
Any failure. The HTTP status follows the code: 400 for INVALID_ARGUMENT, OUT_OF_RANGE and FAILED_PRECONDITION, 401 for
UNAUTHENTICATED, 403 for PERMISSION_DENIED, 404 for NOT_FOUND, 409 for ALREADY_EXISTS and ABORTED, 429 for
RESOURCE_EXHAUSTED, 503 for UNAVAILABLE, 504 for DEADLINE_EXCEEDED, 500 for others.
"""
SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A session token, or the token of an agent, adapter or service.",
    },
    "session_cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "groundline_session",
        "description": "The session token for browsers, whose EventSource can't set headers.",
    },
}


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as blocks, and never anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def document(contract: Contract) -> dict[str, Any]:
    """The OpenAPI document of every method of ours that has an http rule."""
    schemas = Schemas(contract)
    paths = operations(contract, schemas)
    error = schemas.reference("google.rpc.Status")
    for detail in ERROR_DETAILS:
        if f"google.rpc.{detail}" in contract.messages:
            schemas.reference(f"google.rpc.{detail}")
    tags = [
        {"name": service.name, "description": service.comment}
        for service in contract.services.values()
        if contract.own(service) and any(method.http is not None for method in service.methods)
    ]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Groundline",
            "version": "v1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080", "description": "The edge of `make up`."}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": SECURITY,
            "responses": {"error": {"description": ERROR, "content": {"application/json": {"schema": error}}}},
            "schemas": schemas.components(),
        },
    }


def render(contract: Contract) -> str:
    """The document as YAML."""
    body: str = yaml.dump(document(contract), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return "# Generated from proto/ by tools/protoc_gen_openapi.py. DO NOT EDIT.\n" + body


def generate(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Answers a plugin request; with nothing where no file declares a service."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    wanted = set(request.file_to_generate)
    if any(file.service for file in request.proto_file if file.name in wanted):
        contract = Contract([*request.proto_file, *_errors({file.name for file in request.proto_file})])
        response.file.add(name=FILE_NAME, content=render(contract))
    return response


def _errors(present: set[str]) -> list[descriptor_pb2.FileDescriptorProto]:
    # Every method can answer with these, though no contract imports them.
    files = []
    for module in (any_pb2, duration_pb2, status_pb2, error_details_pb2):
        if module.DESCRIPTOR.name not in present:
            file = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(file)
            files.append(file)
    return files


if __name__ == "__main__":
    incoming = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(generate(incoming).SerializeToString())
