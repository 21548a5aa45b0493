"""What is left of a stack whose supervisor was killed: found by whose state folder it works on, and ended."""

from __future__ import annotations

import contextlib
import signal

import psutil

from cli.stack.layout import Home
from db.placement import PlacementError, data_place, server_account
from db.postgres import PostgresServer


def stop_orphans(home: Home, postgres: PostgresServer | None, timeout_s: float = 20) -> list[str]:
    """Ends every process of this home's stack that runs without a supervisor; returns what they were.

    Services get SIGTERM and PostgreSQL SIGINT; what is still there after `timeout_s` is killed.
    """
    found = [*_services(home), *_edges(home), *_brokers(home)]
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, timeout=timeout_s)
    server = _postmaster(postgres)
    if server is not None:
        with contextlib.suppress(psutil.Error):
            server.send_signal(signal.SIGINT)
        stubborn += psutil.wait_procs([server], timeout=timeout_s)[1]
        found.append(server)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return [f"process {process.pid}" for process in found]


def _services(home: Home) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if environment.get("GROUNDLINE_HOME") == str(home.path) and "GROUNDLINE_METRICS_LISTEN" in environment:
                found.append(process)
    return found


def _edges(home: Home) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(home.edge_config) in process.cmdline() and process.name() == "envoy":
                found.append(process)
    return found


def _brokers(home: Home) -> list[psutil.Process]:
    found = []
    folders = {str(home.broker), *_broker_folder(home)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if "RABBITMQ_NODENAME" in environment and environment.get("HOME") in folders:
                found.append(process)
    return found


def _broker_folder(home: Home) -> list[str]:
    try:
        return [str(data_place(home.broker, server_account()))]
    except PlacementError:
        return []


def _postmaster(postgres: PostgresServer | None) -> psutil.Process | None:
    if postgres is None:
        return None
    try:
        pid = int((postgres.data_dir / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        # The number may have gone to another process since.
        return process if str(postgres.data_dir) in process.cmdline() else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
