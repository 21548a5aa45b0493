"""An embedded PostgreSQL in a folder: made, started, stopped and killed without touching the rest of the machine.

Listens on a Unix socket in a folder of mode 0700 and nowhere else, so that who may open that folder may connect, as any
role and without a password.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from db.placement import Account, PlacementError, data_place, keep_private, run_place, server_account, server_programs

SUPERUSER = "postgres"
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    # The plans are short; compiling them costs more than it saves.
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "logging_collector": "off",
    "shared_preload_libraries": "pg_stat_statements",
}


class PostgresError(Exception):
    """The server could not be made, started or stopped; the message holds its own last words."""


class PostgresServer:
    """One server with its data in one folder.

    `start` and `stop` run it as a child of this process. A supervisor runs `command()` itself after `prepare()`.
    """

    def __init__(self, data_dir: Path, *, run_dir: Path | None = None, settings: Mapping[str, str] | None = None):
        """`data_dir` is where the data should lie; `self.data_dir` is where it does (see db.placement).

        `settings` are added to the server's, each as in postgresql.conf.
        """
        self.wanted_data_dir = data_dir.absolute()
        self._settings = {**_SETTINGS, **(settings or {})}
        try:
            self.account: Account | None = server_account()
            self._programs = server_programs(self.account)
            self.data_dir = data_place(self.wanted_data_dir, self.account)
            self.run_dir = run_place((run_dir or self.data_dir.with_name("run")).absolute(), self.account)
        except PlacementError as error:
            raise PostgresError(str(error)) from error
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def moved(self) -> bool:
        """Whether the data lies elsewhere than asked for."""
        return self.data_dir != self.wanted_data_dir

    @property
    def is_made(self) -> bool:
        """Whether the folder holds a database cluster."""
        return (self.data_dir / "PG_VERSION").exists()

    def url(self, user: str = SUPERUSER, database: str = "postgres") -> str:
        """A connection URL, as asyncpg and libpq read it."""
        return f"postgresql://{quote(user)}@/{quote(database)}?{urlencode({'host': str(self.run_dir)})}"

    def command(self) -> list[str]:
        """The server's command line; to be run as `account`."""
        settings = {**self._settings, "unix_socket_directories": str(self.run_dir)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.data_dir), *options]

    def program(self, name: str) -> str:
        """The path of a client program of the server's own release, such as `pg_dump`."""
        return str(self._programs / name)

    def run(self, name: str, *arguments: str, timeout_s: float) -> str:
        """Runs such a program as the server's account and returns what it said. Raises PostgresError."""
        done = self._run([self.program(name), *arguments], timeout_s)
        if done.returncode:
            raise PostgresError(f"{name}: {_last_line(done.stderr or done.stdout)}")
        return done.stdout

    def copy_in(self, source: Path, timeout_s: float = 3600) -> None:
        """Makes the cluster a copy of the stopped one in `source`. Raises PostgresError if there is one already."""
        try:
            keep_private(self.data_dir, self.account)
            if any(self.data_dir.iterdir()):
                raise PostgresError(f"{self.data_dir} is not empty: move it away")
        except (PlacementError, OSError) as error:
            raise PostgresError(str(error)) from error
        done = self._run(["cp", "-R", "-p", f"{source}/.", str(self.data_dir)], timeout_s)
        if done.returncode:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            raise PostgresError(f"{source} could not be copied: {_last_line(done.stderr)}")

    def add_settings(self, settings: Mapping[str, str]) -> None:
        """Takes more settings, for the next start."""
        self._settings.update(settings)

    @property
    def system_identifier(self) -> int:
        """The number that `initdb` gave to the cluster, and that its copies and its WAL bear. Raises PostgresError."""
        try:
            with (self.data_dir / "global" / "pg_control").open("rb") as file:
                return int.from_bytes(file.read(8), sys.byteorder)
        except OSError as error:
            raise PostgresError(f"{self.data_dir} holds no database: {error.strerror}") from error

    def prepare(self, timeout_s: float = 60) -> None:
        """Makes the folders and, the first time, the cluster. Raises PostgresError."""
        try:
            keep_private(self.run_dir, self.account)
            if self.is_made:
                return
            if self.data_dir.exists() and any(self.data_dir.iterdir()):
                raise PostgresError(f"{self.data_dir} is not empty and holds no database: move it away")
            keep_private(self.data_dir, self.account)
        except (PlacementError, OSError) as error:
            raise PostgresError(str(error)) from error
        # The built-in C.UTF-8 sorts by code point and knows case for all of Unicode, on every machine alike.
        done = self._run(
            [
                *(str(self._programs / "initdb"), "-D", str(self.data_dir), "-U", SUPERUSER, "--encoding=UTF8"),
                *("--auth-local=trust", "--auth-host=reject", "--no-locale", "--no-instructions"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            timeout_s,
        )
        if done.returncode:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            raise PostgresError(f"the database could not be made: {_last_line(done.stderr)}")

    def start(self, timeout_s: float = 30) -> None:
        """Starts the server as a child of this process and returns when it takes connections. Raises PostgresError."""
        self.prepare()
        log = self.data_dir / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                **self._identity(),
            )
        atexit.register(self.stop)
        deadline = time.monotonic() + timeout_s
        while not self.is_ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill9()
                raise PostgresError(f"PostgreSQL did not start: {_last_line(log.read_text(errors='replace'))}")
            time.sleep(0.02)

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this process id takes connections."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    @property
    def pid(self) -> int | None:
        """The process id of the server that `start` started, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def stop(self, timeout_s: float = 30) -> None:
        """Disconnects every client and stops with a checkpoint. Does nothing if it isn't running."""
        atexit.unregister(self.stop)
        if self._process is None:
            return
        if self.pid is not None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill9()
        self._process = None

    def kill9(self) -> None:
        """Kills the server and its children as a power cut would. `start` then recovers from the log."""
        if self._process is None:
            return
        # The server leads a session of its own, so its group is it and its children.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def destroy(self) -> None:
        """Stops the server and deletes its data and its sockets' folder."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        if self.moved:
            with contextlib.suppress(OSError):
                self.data_dir.parent.rmdir()

    def _run(self, command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=timeout_s, cwd="/", check=False, **self._identity()
            )
        except subprocess.TimeoutExpired:
            raise PostgresError(f"{Path(command[0]).name} took longer than {timeout_s:.0f} s") from None
        except OSError as error:
            raise PostgresError(f"{command[0]}: {error.strerror}") from error

    def _identity(self) -> dict[str, Any]:
        if self.account is None:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
