"""Takes the edge out of service without cutting what it is answering."""

from __future__ import annotations

import contextlib
import http.client
import json
import time

from cli.stack.layout import HOST


def drain(admin_port: int, timeout_s: float) -> None:
    """Fails /healthz, has the listeners take no more, and waits until no request is in flight or the time is up.

    SIGTERM alone cuts streams at once. Readers of streams resume elsewhere; they are not waited for beyond `timeout_s`.
    Does nothing if the edge doesn't answer.
    """
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        _post(admin_port, "/healthcheck/fail")
        _post(admin_port, "/drain_listeners?graceful&skip_exit")
        deadline = time.monotonic() + timeout_s
        while _requests_in_flight(admin_port) and time.monotonic() < deadline:
            time.sleep(0.05)


def _requests_in_flight(admin_port: int) -> int:
    reply = _request(admin_port, "GET", "/stats?filter=^http.edge.downstream_rq_active$")
    return int(reply.rpartition(":")[2].strip() or 0)


def _post(admin_port: int, path: str) -> None:
    _request(admin_port, "POST", path)


def _request(admin_port: int, method: str, path: str) -> str:
    connection = http.client.HTTPConnection(HOST, admin_port, timeout=2)
    try:
        connection.request(method, path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def all_healthy(admin_port: int, cluster: str) -> bool:
    """Whether the edge sends calls to every endpoint of `cluster`."""
    try:
        clusters = json.loads(_request(admin_port, "GET", "/clusters?format=json"))["cluster_statuses"]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False
    hosts = [host for each in clusters if each["name"] == cluster for host in each.get("host_statuses", [])]
    # What a host fails at is named beside this word, whose value is then HEALTHY no more.
    return bool(hosts) and all(host["health_status"] == {"eds_health_status": "HEALTHY"} for host in hosts)
