import json
from pathlib import Path

import pytest
import yaml

from cli.stack import edge
from cli.stack.checks import find_envoy
from cli.stack.edge_replies import REPLIES
from cli.stack.errors import StackError
from cli.stack.layout import REPOSITORY
from groundline.options.v1 import error_reason_pb2
from meshkit.identity import create_keys

DESCRIPTOR = REPOSITORY / "gen" / "groundline.binpb"
TEMPLATE = REPOSITORY / "envoy" / "edge.yaml"
UPSTREAMS = {name: [20_000 + number] for number, name in enumerate(sorted(set(edge.CLUSTER_OF_SERVICE.values())))}


def _settings(folder: Path, **changes: object) -> edge.EdgeSettings:
    _, jwks = create_keys(folder)
    values = {
        "edge_port": 20_100,
        "admin_port": 20_101,
        "descriptor": DESCRIPTOR,
        "jwks": jwks,
        "upstreams": UPSTREAMS,
        **changes,
    }
    return edge.EdgeSettings(**values)  # type: ignore[arg-type]


def _routes(text: str) -> list[dict[str, object]]:
    listener = yaml.safe_load(text)["static_resources"]["listeners"][0]
    connection_manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return connection_manager["route_config"]["virtual_hosts"][0]["routes"]


def test_envoy_takes_what_is_rendered(tmp_path: Path) -> None:
    config = tmp_path / "edge.yaml"
    config.write_text(edge.render(_settings(tmp_path), TEMPLATE))
    edge.validate(find_envoy(), config)


def test_envoy_s_complaint_is_passed_on(tmp_path: Path) -> None:
    config = tmp_path / "edge.yaml"
    config.write_text("static_resources: { nonsense: 1 }")
    with pytest.raises(StackError, match=r"Envoy refuses .*nonsense"):
        edge.validate(find_envoy(), config)


def test_every_method_of_the_contracts_has_a_route(tmp_path: Path) -> None:
    methods = edge.read_methods(DESCRIPTOR)
    assert {method.path.split("/")[1] for method in methods} == set(edge.CLUSTER_OF_SERVICE)
    routes = {route["match"].get("path"): route for route in _routes(edge.render(_settings(tmp_path), TEMPLATE))}  # type: ignore[attr-defined]
    assert len(methods) > 30
    for method in methods:
        route = routes[method.path]["route"]
        assert route["cluster"] == method.cluster  # type: ignore[index]
        assert (route["timeout"] == "0s") == method.streams_out  # type: ignore[index]


def test_a_call_s_deadline_is_its_contract_s(tmp_path: Path) -> None:
    (create,) = [each for each in edge.read_methods(DESCRIPTOR) if each.path.endswith("/CreateSession")]
    (route,) = [
        each
        for each in _routes(edge.render(_settings(tmp_path), TEMPLATE))
        if each["match"].get("path") == create.path  # type: ignore[attr-defined]
    ]
    assert create.deadline_ms == 5000
    # The service's own answer comes first, then gRPC's, then Envoy's.
    assert route["request_headers_to_add"][0]["header"] == {"key": "grpc-timeout", "value": "5500m"}  # type: ignore[index]
    assert route["route"]["timeout"] == "6.000s"  # type: ignore[index]


def test_a_stream_may_be_silent_for_longer_than_its_heartbeat(tmp_path: Path) -> None:
    (stream,) = [each for each in edge.read_methods(DESCRIPTOR) if each.path.endswith("/StreamSession")]
    assert stream.streams_out
    assert _settings(tmp_path).stream_idle_timeout_s > 2 * 15


def test_reasons_are_the_contract_s() -> None:
    known = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert {reply.reason for reply in REPLIES} <= known


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert edge.limits_from_environment() == edge.Limits()
    monkeypatch.setenv("GROUNDLINE_EDGE_RATE_LIMIT_PER_S", "7")
    assert edge.limits_from_environment().rate_limit_per_s == 7
    monkeypatch.setenv("GROUNDLINE_EDGE_RATE_LIMIT_PER_S", "many")
    with pytest.raises(StackError, match="positive whole number"):
        edge.limits_from_environment()


def test_a_missing_or_broken_descriptor_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="make gen"):
        edge.read_methods(tmp_path / "none.binpb")
    (tmp_path / "broken.binpb").write_text(json.dumps({}))
    with pytest.raises(StackError, match="make gen"):
        edge.read_methods(tmp_path / "broken.binpb")


def test_a_template_with_an_unknown_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "edge.yaml").write_text("admin: ${nobody}")
    with pytest.raises(StackError, match="nobody"):
        edge.render(_settings(tmp_path), tmp_path / "edge.yaml")
