"""Whether the processes of a stack are well: gRPC health of the services, /healthz of the edge."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health_pb2

from cli.stack.layout import HOST

SERVING = "SERVING"
UNREACHABLE = "UNREACHABLE"


def service_health(port: int, timeout_s: float = 2.0) -> str:
    """SERVING, NOT_SERVING or UNREACHABLE: what the service at `port` says of itself as a whole."""
    # While services start, this is asked often, and a channel costs more than a refused connection.
    if not _listens(port, timeout_s):
        return UNREACHABLE
    # A global subchannel pool would remember a refused connection and wait before it tries again.
    with grpc.insecure_channel(f"{HOST}:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            reply = check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        except grpc.RpcError:
            return UNREACHABLE
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


def _listens(port: int, timeout_s: float) -> bool:
    try:
        socket.create_connection((HOST, port), timeout_s).close()
    except OSError:
        return False
    return True


def edge_health(port: int, timeout_s: float = 2.0) -> str:
    """SERVING if GET /healthz answers 200; NOT_SERVING if it answers anything else; else UNREACHABLE."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", "/healthz")
        return SERVING if connection.getresponse().status == 200 else "NOT_SERVING"
    except (OSError, http.client.HTTPException):
        return UNREACHABLE
    finally:
        connection.close()


def broker_health(port: int, timeout_s: float = 2.0) -> str:
    """SERVING if what listens at `port` answers AMQP, as RabbitMQ does once it has started; else UNREACHABLE."""
    try:
        with socket.create_connection((HOST, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return SERVING if connection.recv(1) else UNREACHABLE
    except OSError:
        return UNREACHABLE


def listener_health(port: int, timeout_s: float = 2.0) -> str:
    """SERVING if anything listens at `port`."""
    return SERVING if _listens(port, timeout_s) else UNREACHABLE


def check_all(probes: Mapping[str, Callable[[], str]]) -> dict[str, str]:
    """Asks all at once."""
    if not probes:
        return {}
    with ThreadPoolExecutor(max_workers=len(probes)) as threads:
        return dict(zip(probes, threads.map(lambda probe: probe(), probes.values()), strict=True))


def wait_until_serving(
    probes: Mapping[str, Callable[[], str]],
    timeout_s: float,
    given_up: Callable[[Iterable[str]], str | None] = lambda _: None,
) -> dict[str, str]:
    """Asks until each has said SERVING once or the time is up; returns those that haven't, with what they said last.

    `given_up` is asked in between about those still waited for; a reason that it names ends the wait.
    """
    waiting = dict(probes)
    deadline = time.monotonic() + timeout_s
    while True:
        said = check_all(waiting)
        unwell = {name: word for name, word in said.items() if word != SERVING}
        waiting = {name: probes[name] for name in unwell}
        if not waiting or time.monotonic() > deadline or given_up(waiting) is not None:
            return unwell
        time.sleep(0.1)
