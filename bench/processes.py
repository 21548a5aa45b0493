"""The processes under test: started on free ports, accounted for, ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType

import psutil

from bench.load import LoadError

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
REPOSITORY = Path(__file__).resolve().parent.parent


class Process(AbstractContextManager["Process"]):
    """A child process that serves at a port. Its output goes to `<name>.log` in `folder`, as under a supervisor."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        port: int,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        is_ready: Callable[[], bool] | None = None,
    ) -> None:
        """`is_ready` says whether it serves; without it, it does once its port takes connections."""
        self.name = name
        self.port = port
        self._command = command
        self._log = folder / f"{name}.log"
        self._environment = environment or {}
        self._is_ready = is_ready or (lambda: _listens(port))
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Process":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDLINE_")}
        with self._log.open("ab") as output:
            self._child = subprocess.Popen(
                self._command,
                env={**clean, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._child.poll() is not None or time.monotonic() > deadline:
                self._end()
                raise LoadError(f"{self.name} did not start: {self.last_words()}")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int:
        """Raises LoadError if it has ended."""
        if self._child is None or self._child.poll() is not None:
            raise LoadError(f"{self.name} ended: {self.last_words()}")
        return self._child.pid

    def last_words(self) -> str:
        """The last line of its output."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")

    def _end(self) -> None:
        if self._child is None:
            return
        with suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(STOP_TIMEOUT_S)


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of ours."""
    return [sys.executable, "-m", module, *arguments]


def free_port() -> int:
    """A port that nothing listened at a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children that live, in seconds."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def busy_seconds() -> float:
    """CPU time that all processes of the machine have had so far, in seconds."""
    times = psutil.cpu_times()
    return sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
