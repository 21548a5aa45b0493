import socket
from pathlib import Path

import pytest

from cli.stack import checks
from cli.stack.errors import StackError
from cli.stack.layout import HOST, Home, Ports, choose_ports, is_free
from cli.stack.processes import (
    NAMES,
    POSTGRES,
    SERVICES,
    STOP_ORDER,
    inherited_environment,
    names,
    present_services,
    service_environment,
    stop_order,
)


def test_the_usual_ports() -> None:
    ports = choose_ports(None, None)
    assert (ports.edge, ports.admin) == (8080, 9901)
    assert [ports.grpc(service.name) for service in SERVICES] == [50054, 50053, 50055, 50052, 50051, 50056, 50057]
    assert ports.metrics("gateway") == 51051


def test_another_edge_port_moves_all_ports() -> None:
    ports = choose_ports(0, None)
    used = [port for _, port in ports.by_process()]
    assert len(set(used)) == len(used) == 2 + 2 * len(SERVICES)
    assert not set(used) & {port for _, port in Ports().by_process()}
    assert choose_ports(8090, None).edge == 8090


def test_a_named_base_is_kept() -> None:
    assert choose_ports(None, 21000) == Ports(edge=21008, admin=21009, base=21000)
    with pytest.raises(StackError, match="port base"):
        choose_ports(None, 80)


def test_the_ports_of_the_last_time_are_remembered(home: Home) -> None:
    assert home.load_ports() is None
    assert home.load_road() is None
    home.save_choices(Ports(edge=1234, admin=5, base=6), "amqp")
    assert home.load_ports() == Ports(edge=1234, admin=5, base=6)
    assert home.load_road() == "amqp"
    home.choices.write_text("{")
    with pytest.raises(StackError, match="remove it"):
        home.load_ports()


def test_a_port_in_use_is_named_with_its_owner() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(
            StackError, match=rf"port {port} \(for envoy\) is in use by .* choose another with --edge-port"
        ):
            checks.check_ports(Ports(edge=port, admin=port, base=23000), running=[])
        checks.check_ports(Ports(edge=port, admin=port, base=23000), running=["envoy"])


def test_a_full_disk_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks.check_disk([folder / "not" / "yet"])
    monkeypatch.setattr(checks, "LEAST_FREE_BYTES", 2**60)
    with pytest.raises(StackError, match="the disk is full"):
        checks.check_disk([folder])


def test_each_process_is_stopped_in_exactly_one_step() -> None:
    stopped = [name for step in STOP_ORDER for name in step]
    assert sorted(stopped) == sorted(NAMES)
    assert stopped[-1] == POSTGRES


def test_a_service_gets_its_own_role_and_nothing_of_the_caller_s(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDLINE_DATABASE_URL", "postgresql://everything")
    monkeypatch.setenv("GROUNDLINE_CHAT_API_KEY", "secret")
    passed_on = inherited_environment()
    assert "GROUNDLINE_DATABASE_URL" not in passed_on
    assert passed_on["GROUNDLINE_CHAT_API_KEY"] == "secret"
    by_name = {service.name: service for service in SERVICES}
    evaluator = service_environment(by_name["evaluator"], home, Ports(), None)
    assert "GROUNDLINE_DATABASE_URL" not in evaluator
    assert "GROUNDLINE_SIGNING_KEY_FILE" not in evaluator
    gateway = service_environment(by_name["gateway"], home, Ports(), "postgresql://groundline_gateway@/groundline")
    assert gateway["GROUNDLINE_DATABASE_URL"] == "postgresql://groundline_gateway@/groundline"
    assert gateway["GROUNDLINE_LISTEN"] == "127.0.0.1:50051"
    assert gateway["GROUNDLINE_ORCHESTRATOR_TARGET"] == "127.0.0.1:50052"
    assert gateway["GROUNDLINE_OBJECT_STORE_URL"] == home.objects.as_uri()


def test_replicas_have_names_ports_and_targets_of_their_own(home: Home) -> None:
    ports = Ports(replicas=2)
    listened = [port for _, port in ports.by_process(broker=True)]
    assert len(set(listened)) == len(listened)
    assert {process for process, _ in ports.by_process(broker=True)} == set(names(2)) - {POSTGRES}
    stopped = [name for step in stop_order(2) for name in step]
    assert sorted(stopped) == sorted(names(2))
    second = next(each for each in present_services(2) if each.process == "gateway-2")
    environment = service_environment(second, home, ports, None)
    assert environment["GROUNDLINE_LISTEN"] == "127.0.0.1:50251"
    assert environment["GROUNDLINE_ORCHESTRATOR_TARGET"] == "ipv4:127.0.0.1:50052,127.0.0.1:50252"
    home.save_choices(ports, "embedded")
    assert home.load_ports() == ports
