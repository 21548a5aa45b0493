"""supervisord: its configuration, its start, and the few calls that are made to it.

It starts nothing by itself: `Stack` says what and when. What it does is keep it running.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from cli.stack.errors import StackError
from cli.stack.layout import Home
from cli.stack.processes import Program, inherited_environment
from db.placement import PlacementError, keep_private

LOG_BYTES, LOG_BACKUPS = "10MB", 3
_UP = frozenset({"STARTING", "RUNNING", "BACKOFF", "STOPPING"})


@dataclass(frozen=True)
class ProcessState:
    """What supervisord knows of one process. `state` is its word: RUNNING, STOPPED, BACKOFF, FATAL, …"""

    name: str
    state: str
    pid: int | None
    uptime_s: float
    description: str

    @property
    def is_up(self) -> bool:
        """Whether it runs, or will be tried again."""
        return self.state in _UP


def render(programs: Iterable[Program], home: Home) -> str:
    """The configuration file. Holds no secret of the caller: what only the environment has is inherited."""
    sections = [
        "; Written by `groundline up`; changes are lost.",
        _section("unix_http_server", file=home.supervisor_socket, chmod="0700"),
        _section("rpcinterface:supervisor", **{"supervisor.rpcinterface_factory": _RPC_FACTORY}),
        _section(
            "supervisord",
            nodaemon="true",
            silent="true",
            logfile=home.supervisor_log,
            logfile_maxbytes=LOG_BYTES,
            logfile_backups=LOG_BACKUPS,
            pidfile=home.supervisor_socket.with_name("supervisord.pid"),
            childlogdir=home.logs,
            umask="077",
            # Started as root on purpose, if it is; services are then the machine's.
            **({"user": "root"} if os.geteuid() == 0 else {}),
        ),
        *(_program(program, home) for program in programs),
    ]
    return "\n".join(sections)


_RPC_FACTORY = "supervisor.rpcinterface:make_main_rpcinterface"


def _section(name: str, **values: object) -> str:
    # supervisord expands %(…)s in every value.
    lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _program(program: Program, home: Home) -> str:
    environment = ",".join(f'{name}="{_quote(value)}"' for name, value in program.environment.items())
    values: dict[str, object] = {
        "command": " ".join(f'"{_quote(part)}"' for part in program.command),
        "directory": program.directory,
        "autostart": "false",
        "autorestart": "true",
        # A process that dies within a second is started again ever later, and given up after eight minutes.
        "startsecs": 1,
        "startretries": 30,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_timeout_s,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": home.logs / f"{program.name}.log",
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_BACKUPS,
    }
    if environment:
        values["environment"] = environment
    if program.account:
        values["user"] = program.account
    return _section(f"program:{program.name}", **values)


def _quote(value: str) -> str:
    # supervisord cuts quotes of either kind from both ends.
    if any(character in value for character in '"\\\n\r;') or value != value.strip("'"):
        raise StackError(f"a value for a process can't hold quotes, backslashes, semicolons or line ends: {value!r}")
    return value


class Supervisor:
    """One supervisord, running or not, that belongs to one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @property
    def is_running(self) -> bool:
        """Whether it answers."""
        try:
            self._call("getState")
        except StackError:
            return False
        return True

    def start(self, timeout_s: float = 10) -> None:
        """Starts supervisord in a session of its own; it outlives this process. Raises StackError."""
        try:
            keep_private(self._home.supervisor_socket.parent, None)
        except PlacementError as error:
            raise StackError(str(error)) from error
        with self._home.logs.joinpath("supervisord.out").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._home.supervisor_config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=inherited_environment(),
                cwd="/",
            )
        deadline = time.monotonic() + timeout_s
        while not self.is_running:
            if process.poll() is not None or time.monotonic() > deadline:
                output_text = self._home.logs.joinpath("supervisord.out").read_text(errors="replace").strip()
                last = output_text.splitlines()[-1] if output_text else f"exit {process.poll()}"
                raise StackError(f"the supervisor did not start: {last}")
            time.sleep(0.02)

    def reload(self) -> list[str]:
        """Reads the configuration again, stops what changed or went, and returns the names of those."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name, True)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)
        return [*changed, *removed]

    def states(self) -> dict[str, ProcessState]:
        """What it knows of each process; empty if it isn't running."""
        try:
            known = self._call("getAllProcessInfo")
        except StackError:
            return {}
        return {
            each["name"]: ProcessState(
                name=each["name"],
                state=each["statename"],
                pid=each["pid"] or None,
                uptime_s=max(0.0, float(each["now"] - each["start"])) if each["pid"] else 0.0,
                description=each["spawnerr"] or each["description"],
            )
            for each in known
        }

    def launch(self, names: Sequence[str]) -> None:
        """Starts the processes that aren't up, without waiting for any. Raises StackError if one can't be spawned."""
        states = self.states()
        for name in names:
            if name not in states or not states[name].is_up:
                self._call("startProcess", name, False, tolerate={Faults.ALREADY_STARTED})

    def stop(self, names: Sequence[str], timeout_s: float) -> None:
        """Signals the processes and returns when they are gone; supervisord kills what outlasts its own timeout."""
        for name in names:
            self._call("stopProcess", name, False, tolerate={Faults.NOT_RUNNING, Faults.BAD_NAME})
        deadline = time.monotonic() + timeout_s
        while any(state.is_up for name, state in self.states().items() if name in names):
            if time.monotonic() > deadline:
                raise StackError(f"{', '.join(names)} did not stop within {timeout_s:.0f} s: see `groundline logs`")
            time.sleep(0.05)

    def shutdown(self, timeout_s: float = 60) -> None:
        """Ends supervisord and whatever still runs under it."""
        pid = self.pid
        with contextlib.suppress(StackError):
            self._call("shutdown")
        deadline = time.monotonic() + timeout_s
        while self.is_running or (pid is not None and _lives(pid)):
            if time.monotonic() > deadline:
                raise StackError(f"the supervisor (process {pid}) did not stop within {timeout_s:.0f} s")
            time.sleep(0.05)

    @property
    def pid(self) -> int | None:
        """supervisord's own process id."""
        try:
            return int(self._call("getPID"))
        except StackError:
            return None

    def _call(self, method: str, *arguments: object, tolerate: Iterable[int] = ()) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._home.supervisor_socket}")
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in tolerate:
                return None
            raise StackError(
                f"the supervisor refuses {method} {' '.join(map(str, arguments))}: {fault.faultString}"
            ) from (fault)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise StackError(f"the supervisor does not answer ({type(error).__name__})") from error
        finally:
            transport.close()


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return _answers_signal(pid)
    # Started by this very process, it stays a zombie until this process ends.
    return state != "Z"


def _answers_signal(pid: int) -> bool:
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
