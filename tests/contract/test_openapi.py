"""The OpenAPI document says what the contracts say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.contract import Contract

ROOT = Path(__file__).resolve().parents[2]
VERBS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "gen/openapi.yaml").read_text(encoding="utf-8"))
    return loaded


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for verb in VERBS & item.keys():
            yield path, verb, item[verb]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def test_every_rest_call_is_there_once(contract: Contract, document: dict[str, Any]) -> None:
    expected = {f"{s.full_name}/{m.name}" for s, m in contract.methods() if m.http is not None}
    written = [operation["x-grpc-method"] for _, _, operation in operations(document)]
    assert set(written) == expected
    assert expected
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    followed = 0
    for node in nodes(document):
        if isinstance(node.get("$ref"), str):
            target: Any = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            followed += 1
    assert followed > 0


def test_path_parameters_are_those_of_the_path(document: dict[str, Any]) -> None:
    for path, verb, operation in operations(document):
        named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert named == set(re.findall(r"\{([^}]+)\}", path)), f"{verb} {path}"


def test_access_is_told_and_is_security(contract: Contract, document: dict[str, Any]) -> None:
    access = {f"{s.full_name}/{m.name}": m.access or {} for s, m in contract.methods()}
    for path, verb, operation in operations(document):
        rule = access[operation["x-grpc-method"]]
        told = operation["x-access"]
        assert [f"ROLE_{role.upper()}" for role in told["roles"]] == list(rule.get("roles", ())), f"{verb} {path}"
        assert ({} in operation["security"]) == told["public"] == rule.get("public", False)


def test_streams_are_events_and_errors_are_status(document: dict[str, Any]) -> None:
    stream = document["paths"]["/v1/sessions/{session_id}/stream"]["get"]
    assert list(stream["responses"]["200"]["content"]) == ["text/event-stream"]
    assert {"session_cookie": []} in stream["security"]
    error = document["components"]["responses"]["error"]["content"]["application/json"]["schema"]
    assert error == {"$ref": "#/components/schemas/google.rpc.Status"}
    for path, verb, operation in operations(document):
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/error"}, f"{verb} {path}"


def test_constraints_are_keywords(document: dict[str, Any]) -> None:
    listing = document["paths"]["/v1/sessions/{session_id}/messages"]["get"]
    sizes = {p["name"]: p["schema"] for p in listing["parameters"]}
    assert sizes["session_id"] == {"type": "string", "format": "uuid"}
    assert sizes["page_size"]["minimum"] == 0
    assert sizes["page_size"]["maximum"] > 0
    posting = document["paths"]["/v1/sessions/{session_id}/messages"]["post"]
    body = posting["requestBody"]["content"]["application/json"]["schema"]
    assert "session_id" not in body["properties"]
    assert body["required"] == ["content"]
    assert body["properties"]["content"]["x-max-bytes"] == 16384
    assert body["properties"]["content"]["x-sensitive"] is True
