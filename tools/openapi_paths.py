"""OpenAPI operations of a contract's methods, from their `google.api.http` rules and their access rules."""

import re
from collections.abc import Iterator
from typing import Any

from tools.contract import Contract, Field, Message, Method, Options, Service
from tools.openapi_schema import WELL_KNOWN, Schema, Schemas, is_required

VERBS = ("get", "put", "post", "delete", "patch")
HTTP_BODY = "google.api.HttpBody"
VARIABLE = re.compile(r"\{([a-zA-Z0-9_.]+)(?:=[^}]*)?\}")
MAX_QUERY_DEPTH = 3


def operations(contract: Contract, schemas: Schemas) -> dict[str, dict[str, Any]]:
    """Every path with its operations, in the order of the contracts' files."""
    paths: dict[str, dict[str, Any]] = {}
    for service, method in contract.methods():
        if method.http is None:
            continue
        for index, rule in enumerate((method.http, *method.http.get("additional_bindings", ()))):
            verb, template = _route(method, rule)
            path = VARIABLE.sub(r"{\1}", template)
            operation = _operation(contract, schemas, service, method, rule, template)
            if index:
                operation["operationId"] += f"_{index + 1}"
            if verb in paths.setdefault(path, {}):
                raise ValueError(f"{method.full_name}: {verb.upper()} {path} is already taken")
            paths[path][verb] = operation
    return paths


def _route(method: Method, rule: Options) -> tuple[str, str]:
    for verb in VERBS:
        if verb in rule:
            return verb, rule[verb]
    raise ValueError(f"{method.full_name}: its http rule has no verb that OpenAPI knows")


def _operation(
    contract: Contract, schemas: Schemas, service: Service, method: Method, rule: Options, template: str
) -> dict[str, Any]:
    request = contract.messages[method.request]
    in_path = VARIABLE.findall(template)
    body = rule.get("body", "")
    operation: dict[str, Any] = {
        "operationId": f"{service.name}_{method.name}",
        "tags": [service.name],
        "summary": _first_sentence(method.comment),
        "description": "\n\n".join(filter(None, (method.comment, _access_note(method)))),
    }
    if method.options.get("deprecated"):
        operation["deprecated"] = True
    parameters = [_path_parameter(contract, schemas, request, name) for name in in_path]
    if body != "*":
        skipped = {*in_path, body}
        parameters += _query(contract, schemas, request, skipped)
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = _request_body(schemas, request, body, in_path)
    operation["responses"] = _responses(schemas, method)
    operation["security"] = _security(method)
    access = method.access or {}
    operation["x-access"] = {
        "public": access.get("public", False),
        "roles": [_role(role) for role in access.get("roles", ())],
        **({"scope": access["scope"].removeprefix("SCOPE_").lower()} if "scope" in access else {}),
    }
    for option, value in (method.call or {}).items():
        operation[f"x-{option.replace('_', '-')}"] = value
    operation["x-grpc-method"] = f"{service.full_name}/{method.name}"
    return operation


def _path_parameter(contract: Contract, schemas: Schemas, request: Message, name: str) -> dict[str, Any]:
    message, *rest = request, *name.split(".")
    for part in rest[:-1]:
        message = contract.messages[message.field(part).type_name]
    schema = schemas.value(message.field(rest[-1]))
    description = schema.pop("description", "")
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query(
    contract: Contract, schemas: Schemas, message: Message, skipped: set[str], prefix: str = "", depth: int = 0
) -> Iterator[dict[str, Any]]:
    for field in message.fields:
        name = prefix + field.name
        if name in skipped:
            continue
        nested = contract.messages.get(field.type_name)
        if nested is not None and field.type_name not in WELL_KNOWN:
            # Transcoding has no query form for lists of messages and maps.
            if not field.repeated and depth < MAX_QUERY_DEPTH:
                yield from _query(contract, schemas, nested, skipped, f"{name}.", depth + 1)
            continue
        yield _query_parameter(schemas, field, name)


def _query_parameter(schemas: Schemas, field: Field, name: str) -> dict[str, Any]:
    schema = schemas.value(field)
    parameter: dict[str, Any] = {"name": name, "in": "query", "description": schema.pop("description", "")}
    if is_required(field):
        parameter["required"] = True
    return {**parameter, "schema": schema}


def _request_body(schemas: Schemas, request: Message, body: str, in_path: list[str]) -> dict[str, Any]:
    if body == "*":
        content_type, schema = "application/json", schemas.body(request, frozenset(in_path))
        if request.full_name == HTTP_BODY:
            return {"required": True, "content": {"application/octet-stream": {}}}
    else:
        field = request.field(body)
        if field.type_name == HTTP_BODY:
            return {"required": True, "content": {"application/octet-stream": {}}}
        content_type, schema = "application/json", schemas.value(field)
    return {"required": True, "content": {content_type: {"schema": schema}}}


def _responses(schemas: Schemas, method: Method) -> dict[str, Any]:
    streaming = method.proto.server_streaming
    if method.response == HTTP_BODY:
        kind = "text/event-stream" if streaming else "application/octet-stream"
        answer: dict[str, Any] = {
            "description": "Server-sent events." if streaming else "The content, in its own media type.",
            "content": {kind: {"schema": {"type": "string"}}},
        }
    else:
        schema: Schema = schemas.reference(method.response)
        if streaming:
            schema = {"type": "array", "items": schema}
        answer = {"description": "Success.", "content": {"application/json": {"schema": schema}}}
    return {"200": answer, "default": {"$ref": "#/components/responses/error"}}


def _security(method: Method) -> list[dict[str, list[str]]]:
    access = method.access or {}
    ways: list[dict[str, list[str]]] = [{}] if access.get("public") else []
    ways.append({"bearer": []})
    if "ROLE_CUSTOMER" in access.get("roles", ()) and access.get("scope") == "SCOPE_SESSION":
        ways.append({"session_cookie": []})
    return ways


def _access_note(method: Method) -> str:
    access = method.access
    if access is None:
        return "Refused: no access rule."
    roles = ", ".join(_role(role) for role in access.get("roles", ()))
    if access.get("public"):
        return "Needs no credential."
    tied = " A customer's token must be bound to this session." if access.get("scope") == "SCOPE_SESSION" else ""
    return f"Callers: {roles}.{tied}"


def _role(role: str) -> str:
    return role.removeprefix("ROLE_").lower()


def _first_sentence(comment: str) -> str:
    text = " ".join(comment.split())
    end = re.search(r"\.(?=\s+[A-Z`]|$)", text)
    return text[: end.start()] if end else text
