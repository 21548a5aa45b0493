"""A whole mesh of the suite's own, whose processes can be killed at named places, stopped, and robbed of a guard."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from cli.commands.stack import ingest_samples
from cli.stack import Stack, StackError, processes
from cli.stack.health import SERVING, service_health
from cli.stack.layout import REPOSITORY, choose_ports
from meshkit import failpoints
from meshkit.identity import TokenSigner

from ..stack import Live, logged
from .wire import End, Wire

SABOTAGE = Path(__file__).parent / "sabotage"
ORCHESTRATOR_LEASE_S = 3.0
COMMAND_LEASE_S = 4.0
REPUBLISH_AFTER_S = 8.0
AMQP_HEARTBEAT_S = 2
POLL_S = 0.02
HEALTHY_TIMEOUT_S = 60.0
# Two of each process, beside another stack, on a busy machine.
UP_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Firing:
    """A failpoint that acted. `at` in seconds of the epoch."""

    name: str
    serial: str
    pid: int
    at: float


@dataclass
class Stage:
    """The stack, and the folder through which its processes are told what to suffer."""

    live: Live
    folder: Path
    disk: Path | None = None
    _serial: Iterator[int] = field(default_factory=itertools.count)
    _gave_up: int = 0

    @property
    def stack(self) -> Stack:
        return self.live.stack

    @property
    def road(self) -> str:
        return self.stack.broker.road

    # -- failpoints ----------------------------------------------------------------------------------------------

    def arm(self, name: str, action: str = "kill") -> str:
        """The next process that comes to the place does `action`, once; returns the serial of it."""
        serial = f"{next(self._serial):06}"
        # Complete before it can be seen: a process may come by at any moment.
        draft = self.folder / serial
        draft.write_text(action)
        draft.rename(self.folder / failpoints.ARMED / f"{name}{failpoints.MARK}{serial}")
        return serial

    def disarm(self) -> None:
        """Nothing is armed any more."""
        for each in (self.folder / failpoints.ARMED).iterdir():
            with contextlib.suppress(FileNotFoundError):
                each.unlink()

    def fired(self) -> list[Firing]:
        """All that has acted so far, in the order of arming."""
        found = []
        for each in (self.folder / failpoints.FIRED).iterdir():
            name, _, serial = each.name.partition(failpoints.MARK)
            words = each.read_text().split()
            if len(words) == 3:
                found.append(Firing(name, serial, int(words[1]), float(words[2])))
        return sorted(found, key=lambda firing: firing.serial)

    async def firing(self, serial: str, timeout_s: float) -> Firing:
        """Waits until what was armed has acted. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not (found := [each for each in self.fired() if each.serial == serial]):  # noqa: ASYNC110 - a process
                await asyncio.sleep(POLL_S)
        return found[0]

    def gave_up(self) -> list[str]:
        """Processes that ended because a loop of theirs could not be kept alive, since this was asked last."""
        lines = logged(self.stack, "background_given_up")
        new, self._gave_up = lines[self._gave_up :], len(lines)
        return new

    # -- processes -----------------------------------------------------------------------------------------------

    async def kill9(self, process: str) -> int:
        """Kills a process as a crash would."""
        return await asyncio.to_thread(self.stack.kill9, process)

    async def replaced(self, process: str, pid: int, timeout_s: float = HEALTHY_TIMEOUT_S) -> None:
        """Waits until another than `pid` is the process, and all that serves is healthy. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while await asyncio.to_thread(self._pid, process) in (None, pid):  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_S)
        await asyncio.to_thread(self.stack.wait_healthy, None, timeout_s)

    def _pid(self, process: str) -> int | None:
        try:
            return self.stack.pid(process)
        except StackError:
            return None

    async def restart(self, process: str) -> None:
        """Ends a process gracefully and starts it again."""
        await asyncio.to_thread(self.stack.stop, process)
        await asyncio.to_thread(self.stack.start, process, HEALTHY_TIMEOUT_S)

    @asynccontextmanager
    async def without(self, guard: str, process: str) -> AsyncIterator[None]:
        """While the block runs, `process` lacks a guard of `sabotage/`."""
        switch = self.folder / "sabotage" / guard
        switch.touch()
        try:
            await self.restart(process)
            yield
        finally:
            # Another process may have lacked the same.
            switch.unlink(missing_ok=True)
            await self.restart(process)

    @asynccontextmanager
    async def told(self, settings: Mapping[str, Mapping[str, str]]) -> AsyncIterator[None]:
        """While the block runs, these processes have these variables in their environment."""
        files = [self.folder / "settings" / _file_name(process) for process in settings]
        for file, process in zip(files, settings, strict=True):
            file.write_text(json.dumps(dict(settings[process])))
        try:
            await asyncio.gather(*map(self.restart, settings))
            yield
        finally:
            for file in files:
                file.unlink()
            await asyncio.gather(*map(self.restart, settings))

    @asynccontextmanager
    async def wired(
        self, processes: Iterable[str], peer: str, also: Mapping[str, Mapping[str, str]] | None = None
    ) -> AsyncIterator[dict[str, Wire]]:
        """While the block runs, these processes reach `peer` (postgres, rabbitmq, or a service) by a wire each, and
        `also` have these variables."""
        async with AsyncExitStack() as stack:
            wires: dict[str, Wire] = {}
            settings: dict[str, dict[str, str]] = {}
            for process in processes:
                variable, far, near = self._way(process, peer)
                wires[process] = await stack.enter_async_context(Wire(far).open(near))
                settings[process] = {
                    **(also or {}).get(process, {}),
                    variable: self._through(process, variable, wires[process]),
                }
            await stack.enter_async_context(self.told(settings))
            yield wires

    def _way(self, process: str, peer: str) -> tuple[str, End, End]:
        """The variable that says where the peer is, and both ends of a wire to it."""
        if peer == "postgres":
            folder = self.folder / "wires" / process
            folder.mkdir(exist_ok=True, parents=True)
            return "GROUNDLINE_DATABASE_URL", self._socket(), folder / self._socket().name
        if peer == "rabbitmq":
            return "GROUNDLINE_AMQP_URL", self.stack.ports.broker[0], 0
        return f"GROUNDLINE_{peer.upper()}_TARGET", self.stack.ports.grpc(peer), 0

    def _socket(self) -> Path:
        (folder,) = parse_qs(urlsplit(self.stack.database_url()).query)["host"]
        return next(Path(folder).glob(".s.PGSQL.*[0-9]"))

    def _through(self, process: str, variable: str, wire: Wire) -> str:
        if isinstance(wire.near, Path):
            url = self.stack.env_for(process)[variable]
            return f"{url.partition('?')[0]}?host={quote(str(wire.near.parent))}"
        if variable == "GROUNDLINE_AMQP_URL":
            return self.stack.env_for(process)[variable].replace(f":{self.stack.ports.broker[0]}/", f":{wire.near}/")
        return wire.target

    @asynccontextmanager
    async def second(self, service: str, **variables: str) -> AsyncIterator[str]:
        """Another process of a service beside the stack's own, with these variables; yields where it answers."""
        target = f"127.0.0.1:{choose_ports(0, None).grpc(service)}"
        environment = {
            **self.stack.env_for(service),
            **environment_of(self.folder),
            **variables,
            "GROUNDLINE_LISTEN": target,
        }
        # The stack's own has that port.
        del environment["GROUNDLINE_METRICS_LISTEN"]
        with (self.stack.home.logs / f"{service}-second.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *next(processes.service_command(each) for each in processes.SERVICES if each.name == service),
                cwd=REPOSITORY,
                env=environment,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            async with asyncio.timeout(HEALTHY_TIMEOUT_S):
                port = int(target.rpartition(":")[2])
                while await asyncio.to_thread(service_health, port) != SERVING:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(POLL_S)
            yield target
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)

    @contextmanager
    def stopped(self, process: str) -> Iterator[None]:
        """While the block runs, the process is alive and does nothing."""
        pid = self.stack.pid(process)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def _file_name(process: str) -> str:
    """What `sabotage/` looks for in a process: the words after `-m`."""
    service = next(each for each in processes.SERVICES if each.name == process)
    return "-".join((service.module, *service.arguments))


@asynccontextmanager
async def another_stage(road: str, *, replicas: int = 1, disk_mib: int | None = None) -> AsyncIterator[Stage]:
    """A stage beside the one that stands, for what would leave no other as it was."""
    opening = open_stage(road, replicas=replicas, disk_mib=disk_mib)
    stage = await asyncio.to_thread(opening.__enter__)
    try:
        yield stage
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)


def _mount(folder: Path, size_mib: int) -> Path:
    """A file system in memory. Only root may, and not on every machine."""
    folder.mkdir(parents=True)
    folder.parent.chmod(0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)], check=True)
    return folder


def environment_of(folder: Path) -> dict[str, str]:
    """What the processes of a stage are started with, beside what every stack's are."""
    return {
        failpoints.VARIABLE: f"@{folder}",
        "GROUNDLINE_SABOTAGE": str(folder / "sabotage"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(SABOTAGE), os.environ.get("PYTHONPATH")])),
        # A worker that died is made up for when its lease ends. Short ones let more faults into a minute.
        "GROUNDLINE_LEASE_S": str(ORCHESTRATOR_LEASE_S),
        "GROUNDLINE_COMMAND_LEASE_S": str(COMMAND_LEASE_S),
        "GROUNDLINE_AMQP_REPUBLISH_AFTER_S": str(REPUBLISH_AFTER_S),
        "GROUNDLINE_AMQP_HEARTBEAT_S": str(AMQP_HEARTBEAT_S),
    }


@contextmanager
def open_stage(road: str = "embedded", *, replicas: int = 1, disk_mib: int | None = None) -> Iterator[Stage]:
    """Starts a stack with the sample knowledge, on the embedded or the amqp road; it is gone at the end.

    With `disk_mib`, PostgreSQL's files are on a file system of their own that is no larger, at `Stage.disk`.
    """
    folder = Path(tempfile.mkdtemp(prefix="groundline-faults-"))
    # PostgreSQL's account must get through to its files; what is private below is in private folders.
    folder.chmod(0o711)
    for part in (failpoints.ARMED, failpoints.FIRED, "sabotage", "settings"):
        (folder / part).mkdir()
    disk = _mount(folder / "home" / "pgdata", disk_mib) if disk_mib else None
    stack = Stack(folder / "home", edge_port=0, road=road, replicas=replicas)
    before = dict(os.environ)
    os.environ.update(environment_of(folder))
    try:
        try:
            stack.up(UP_TIMEOUT_S)
        finally:
            # Only the supervisor, and what it starts, is to have it.
            os.environ.clear()
            os.environ.update(before)
        ingest_samples(stack)
        yield Stage(Live(stack, TokenSigner.from_file(stack.home.signing_key)), folder, disk)
    finally:
        stack.destroy()
        if disk:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def now() -> float:
    """Seconds of the epoch, as the failpoints write them."""
    return time.time()
