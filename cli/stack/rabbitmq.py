"""A RabbitMQ node in a folder of its own: unprivileged, on the loopback address, apart from any other on the machine.

The program is the one that the machine has installed; nothing of its system-wide configuration is used.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.stack.errors import StackError
from cli.stack.health import SERVING, broker_health
from cli.stack.layout import HOST
from db.placement import PlacementError, data_place, keep_private, server_account

_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/opt/homebrew/sbin", "/usr/local/sbin")
_USER = "groundline"


@dataclass(frozen=True)
class NodePorts:
    """AMQP; the node's own port for other nodes and tools; and that of the daemon that tells them of it."""

    amqp: int
    distribution: int
    epmd: int


def find_programs() -> Path | None:
    """The folder of `rabbitmq-server` as it can be run by anyone; None if it isn't installed."""
    candidates = (Path(folder) for folder in _FOLDERS)
    return next((each for each in candidates if os.access(each / "rabbitmq-server", os.X_OK)), None)


class RabbitServer:
    """One node. `start` and `stop` run it as children of this process; a supervisor runs the two commands itself."""

    def __init__(self, folder: Path, ports: NodePorts) -> None:
        """`folder` is where its state should lie. Raises StackError if RabbitMQ is not installed."""
        programs, epmd = find_programs(), shutil.which("epmd")
        if programs is None or epmd is None:
            raise StackError("RabbitMQ is not installed: `apt-get install rabbitmq-server`")
        self._programs, self._epmd = programs, epmd
        self.ports = ports
        try:
            self.account = server_account()
            self.folder = data_place(folder.absolute(), self.account)
        except PlacementError as error:
            raise StackError(str(error)) from error
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """Where it answers, with the password that `prepare` made."""
        return f"amqp://{_USER}:{self._password()}@{HOST}:{self.ports.amqp}/"

    def prepare(self) -> None:
        """Makes the folder, the password and the configuration. Raises StackError."""
        try:
            keep_private(self.folder, self.account)
            self._write("rabbitmq.conf", self._configuration())
            self._write("enabled_plugins", "[].\n")
        except (PlacementError, OSError) as error:
            raise StackError(str(error)) from error

    def command(self) -> list[str]:
        """The node's command line; to be run as `account` with `environment`."""
        return [str(self._programs / "rabbitmq-server")]

    def epmd_command(self) -> list[str]:
        """The port mapper's command line. Without one, the node would start a daemon that outlives it."""
        return [self._epmd, "-port", str(self.ports.epmd), "-address", HOST]

    def environment(self) -> dict[str, str]:
        """The variables that both, and the tools, are run with."""
        folder = self.folder
        return {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{self._programs}:{Path(self._epmd).parent}:/usr/bin:/bin",
            "RABBITMQ_NODENAME": f"{_USER}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            # The shell then becomes the node, and signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_SERVER_ERL_ARGS": "+K true +P 65536 +S 2:2 +sbwt none",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "ERL_EPMD_ADDRESS": HOST,
        }

    def is_ready(self, timeout_s: float = 1.0) -> bool:
        """Whether it answers AMQP."""
        return broker_health(self.ports.amqp, timeout_s) == SERVING

    def start(self, timeout_s: float = 60) -> None:
        """Starts it as a child of this process and returns when it answers. Raises StackError."""
        self.prepare()
        log = self.folder / "node.log"
        with log.open("ab") as output:
            for command in (self.epmd_command(), self.command()):
                self._processes.append(
                    subprocess.Popen(
                        command,
                        env=self.environment(),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        cwd="/",
                        start_new_session=True,
                        **self._identity(),
                    )
                )
        deadline = time.monotonic() + timeout_s
        while not self.is_ready():
            if self._processes[-1].poll() is not None or time.monotonic() > deadline:
                self.kill9()
                raise StackError(f"RabbitMQ did not start: see {log}")
            time.sleep(0.05)

    def stop(self, timeout_s: float = 30) -> None:
        """Stops it in good order. Does nothing if it isn't running."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                break
        self.kill9()

    def kill9(self) -> None:
        """Kills it as a power cut would."""
        for process in self._processes:
            # Each leads a session of its own, so its group is it and its children.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self._processes = []

    def erase(self) -> None:
        """Deletes every queue and message, as a lost volume would; the password stays. Only while it isn't running."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def destroy(self) -> None:
        """Kills it and deletes its folder."""
        self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _password(self) -> str:
        return (self.folder / "password").read_text()

    def _configuration(self) -> str:
        if not (self.folder / "password").exists():
            self._write("password", secrets.token_urlsafe(24))
        return "\n".join(
            [
                f"listeners.tcp.1 = {HOST}:{self.ports.amqp}",
                f"default_user = {_USER}",
                f"default_pass = {self._password()}",
                "log.file = false",
                "log.console = true",
                "log.console.level = warning",
                "log.console.formatter = json",
                "disk_free_limit.absolute = 200MB",
                "",
            ]
        )

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def _identity(self) -> dict[str, Any]:
        if self.account is None:
            return {}
        return {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
