"""One whole Groundline on one machine: started, looked at, hurt and stopped.

`groundline up` and the tests that need a real mesh use the same class. It blocks; asynchronous callers put it into a
thread.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from cli.stack import checks, edge_admin, orphans, processes
from cli.stack.assembly import make_home, programs, write_edge_config
from cli.stack.broker import EMBEDDED, Broker
from cli.stack.database import Database
from cli.stack.errors import StackError
from cli.stack.health import (
    SERVING,
    UNREACHABLE,
    broker_health,
    check_all,
    edge_health,
    listener_health,
    service_health,
    wait_until_serving,
)
from cli.stack.layout import HOST, Home, Ports, choose_ports, home_from_environment, replicas_from_environment
from cli.stack.lock import locked
from cli.stack.log_files import last_words
from cli.stack.processes import ENVOY, EPMD, POSTGRES, RABBITMQ
from cli.stack.status import ProcessStatus
from cli.stack.supervisor import ProcessState, Supervisor, render

EDGE_DRAIN_S = 3.0
# A service that dies as it starts is tried again; one that has gone on dying for so long won't come.
_HOPELESS_AFTER_S = 6.0


class Stack:
    """A stack and its home folder. Nothing runs until `up`, and what runs stays after this object is gone."""

    def __init__(
        self,
        home: Path | None = None,
        *,
        edge_port: int | None = None,
        port_base: int | None = None,
        database_url: str | None = None,
        road: str | None = None,
        amqp_url: str | None = None,
        replicas: int | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`edge_port` 0 takes free ports for everything; ports not given are those of the last `up`, else the usual.

        With `database_url` (or GROUNDLINE_DATABASE_URL) that server is used and no PostgreSQL is started. `road` (or
        GROUNDLINE_ROAD) is embedded or amqp, by default that of the last `up`; with `amqp_url` (or GROUNDLINE_AMQP_URL)
        that broker is used and no RabbitMQ is started. `replicas` (or GROUNDLINE_REPLICAS) is how many processes each
        service has, by default as at the last `up`, else one. `say` gets a line for each step. Raises StackError if
        ports can't be had.
        """
        self.home = Home((home or home_from_environment()).absolute())
        self.database = Database(self.home, database_url or os.environ.get("GROUNDLINE_DATABASE_URL") or None)
        self._last_ports = self.home.load_ports()
        self._wanted_ports = (edge_port, port_base)
        self._wanted_replicas = replicas or replicas_from_environment()
        self._wanted_road = road or os.environ.get("GROUNDLINE_ROAD") or None
        self._amqp_url = amqp_url or os.environ.get("GROUNDLINE_AMQP_URL") or None
        self._say = say
        self._supervisor = Supervisor(self.home)

    @cached_property
    def ports(self) -> Ports:
        """The ports of this stack."""
        edge_port, base = self._wanted_ports
        last = self._last_ports
        replicas = self._wanted_replicas or (last.replicas if last is not None else 1)
        if last is not None and edge_port in (None, 0, last.edge) and base in (None, last.base):
            return replace(last, replicas=replicas)
        return choose_ports(edge_port, base, replicas)

    @cached_property
    def broker(self) -> Broker:
        """How this stack's commands travel. Raises StackError if that takes a broker and there is none to be had."""
        road = self._wanted_road or self.home.load_road() or EMBEDDED
        return Broker(self.home, self.ports, road, self._amqp_url)

    @property
    def edge_url(self) -> str:
        """Where REST answers."""
        return f"http://{HOST}:{self.ports.edge}"

    @property
    def edge_target(self) -> str:
        """Where gRPC answers for every service."""
        return f"{HOST}:{self.ports.edge}"

    def target(self, service: str) -> str:
        """Where `service` itself answers gRPC."""
        return f"{HOST}:{self.ports.grpc(service)}"

    def database_url(self, role: str = "groundline") -> str:
        """The database as `role` sees it."""
        return self.database.url(role)

    @property
    def is_running(self) -> bool:
        """Whether the supervisor answers."""
        return self._supervisor.is_running

    # -- up and down ---------------------------------------------------------------------------------------------

    def up(self, timeout_s: float = 120) -> list[str]:
        """Starts what isn't running, waits until all is healthy, and returns what was started.

        Raises StackError with one line that says what is wrong: a port, the disk, a tool, a process that won't come.
        """
        with locked(self.home):
            deadline = time.monotonic() + timeout_s
            envoy = self._check()
            self.home.save_choices(self.ports, self.broker.road)
            if self.database.server is not None and not self.database.server.is_made:
                self._say("making the database")
            with ThreadPoolExecutor(max_workers=1) as background:
                edge_changed = background.submit(write_edge_config, self.home, self.ports, envoy)
                self._start_supervisor(envoy)
                started = self._launch(self.broker.processes)
                started += self._start_database(deadline)
                self.wait_healthy(self.broker.processes, timeout_s=max(1.0, deadline - time.monotonic()))
                started += self._start_services(deadline)
                started += self._start_edge(edge_changed.result(), deadline)
            return started

    def _check(self) -> Path:
        checks.check_python()
        running = self._running()
        if (
            running
            and self._last_ports is not None
            and replace(self._last_ports, replicas=self.ports.replicas) != self.ports
        ):
            raise StackError(
                f"it is already running at port {self._last_ports.edge}: `groundline down` first, to change ports"
            )
        if not running and not self._supervisor.is_running:
            for left in orphans.stop_orphans(self.home, self.database.server):
                self._say(f"stopped {left}, left over from a supervisor that was killed")
        envoy = checks.find_envoy()
        checks.check_disk(self._folders())
        checks.check_ports(self.ports, running, broker=self.broker.server is not None)
        make_home(self.home)
        return envoy

    def _folders(self) -> list[Path]:
        server = self.database.server
        return [self.home.path, *([server.data_dir] if server else [])]

    def _start_supervisor(self, envoy: Path) -> None:
        text = render(programs(self.home, self.ports, self.database, self.broker, envoy), self.home)
        config = self.home.supervisor_config
        changed = not config.exists() or config.read_text() != text
        if changed:
            config.touch(mode=0o600)
            config.write_text(text)
        if not self._supervisor.is_running:
            self._supervisor.start()
        elif changed:
            self._supervisor.reload()

    def _start_database(self, deadline: float) -> list[str]:
        started: list[str] = []
        if self.database.server is not None:
            started = self._launch([POSTGRES])
            if self.database.server.moved and started:
                self._say(
                    f"the database's files are in {self.database.server.data_dir}, "
                    f"for its account can't enter {self.home.path}"
                )
            self._await_postgres(deadline)
        for name in self.database.migrate():
            self._say(f"migrated: {name}")
        return started

    def _await_postgres(self, deadline: float) -> None:
        while not self._postgres_ready():
            if time.monotonic() > deadline or self._state(POSTGRES).state == "FATAL":
                raise StackError(f"PostgreSQL did not start: {self._last_words(POSTGRES)}")
            time.sleep(0.02)

    @property
    def postgres_is_ready(self) -> bool:
        """Whether the embedded PostgreSQL takes connections; False where there is none."""
        return self.database.server is not None and self._postgres_ready()

    def _postgres_ready(self) -> bool:
        server = self.database.server
        if server is None:
            return True
        pid = self._state(POSTGRES).pid
        return pid is not None and server.is_ready(pid)

    def _start_services(self, deadline: float) -> list[str]:
        names = [service.process for service in processes.present_services(self.ports.replicas)]
        started = self._launch(names)
        self.wait_healthy(names, timeout_s=max(1.0, deadline - time.monotonic()))
        return started

    def _start_edge(self, config_changed: bool, deadline: float) -> list[str]:
        if config_changed and self._state(ENVOY).is_up:
            self.stop(ENVOY)
        started = self._launch([ENVOY])
        self.wait_healthy([ENVOY], timeout_s=max(1.0, deadline - time.monotonic()))
        return started

    def _launch(self, names: Sequence[str]) -> list[str]:
        states = self._supervisor.states()
        missing = [name for name in names if name not in states or not states[name].is_up]
        if missing:
            self._say(f"starting {', '.join(missing)}")
            self._supervisor.launch(missing)
        return missing

    def down(self) -> bool:
        """Stops everything, in reverse order and gracefully; False if nothing was running. Data is kept."""
        if not self.home.path.exists():
            return False
        with locked(self.home):
            if not self._supervisor.is_running:
                return bool(orphans.stop_orphans(self.home, self.database.server))
            for step in processes.stop_order(self.ports.replicas):
                running = [name for name in step if self._state(name).is_up]
                if running:
                    self._say(f"stopping {', '.join(running)}")
                    self._stop(running)
            self._supervisor.shutdown()
            return True

    def destroy(self) -> None:
        """Stops everything and deletes its state. For tests."""
        import shutil

        self.down()
        if self.database.server is not None:
            self.database.server.destroy()
        if self.broker.server is not None:
            self.broker.server.destroy()
        shutil.rmtree(self.home.supervisor_socket.parent, ignore_errors=True)
        shutil.rmtree(self.home.path, ignore_errors=True)

    # -- one process ---------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """The process id of `name`. Raises StackError if it isn't running."""
        pid = self._state(name).pid
        if pid is None:
            raise StackError(f"{name} is not running")
        return pid

    def kill9(self, name: str) -> int:
        """Kills a process as a crash would; the supervisor starts it again. Returns the id of the killed one."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, name: str) -> None:
        """Stops one process gracefully; it stays down until `start` or `up`."""
        self._known(name)
        self._stop([name])

    def start(self, name: str, timeout_s: float = 30) -> None:
        """Starts one process and waits until it is healthy."""
        self._known(name)
        self._supervisor.launch([name])
        self.wait_healthy([name], timeout_s)

    def restart(self, names: Sequence[str], timeout_s: float = 60) -> None:
        """Stops the processes gracefully, all at once, starts them again and waits until they are healthy."""
        for name in names:
            self._known(name)
        self._stop(names)
        self._supervisor.launch(names)
        self.wait_healthy(names, timeout_s)

    def _stop(self, names: Sequence[str]) -> None:
        if ENVOY in names:
            edge_admin.drain(self.ports.admin, EDGE_DRAIN_S)
        self._supervisor.stop(names, timeout_s=90)

    def env_for(self, name: str) -> dict[str, str]:
        """The whole environment that the service `name` is started with."""
        for service in processes.present_services(self.ports.replicas):
            if service.process == name:
                url = self.database.url(service.database_role) if service.database_role else None
                own = processes.service_environment(service, self.home, self.ports, url, self.broker.environment())
                return {**processes.inherited_environment(), **own}
        raise StackError(f"{name} is not a service; there are {', '.join(each.name for each in processes.SERVICES)}")

    def client_environment(self) -> dict[str, str]:
        """The environment for a `groundline` command that works on this stack."""
        own = {"GROUNDLINE_HOME": str(self.home.path), "GROUNDLINE_EDGE": self.edge_target}
        return {**processes.inherited_environment(), **own}

    # -- health --------------------------------------------------------------------------------------------------

    def wait_healthy(self, names: Iterable[str] | None = None, timeout_s: float = 60) -> None:
        """Returns when the processes (all by default) are healthy. Raises StackError naming those that aren't."""
        probes = {name: self._probe(name) for name in (self._expected() if names is None else names)}
        since: dict[str, float] = {}

        def given_up(waiting: Iterable[str]) -> str | None:
            states = self._supervisor.states()
            for name in waiting:
                if name not in states or states[name].state not in ("BACKOFF", "FATAL", "EXITED"):
                    continue
                if states[name].state == "FATAL" or time.monotonic() - since.setdefault(name, time.monotonic()) > (
                    _HOPELESS_AFTER_S
                ):
                    return name
            return None

        unwell = wait_until_serving(probes, timeout_s, given_up)
        if unwell:
            name, word = next(iter(unwell.items()))
            others = f" (nor {', '.join(list(unwell)[1:])})" if len(unwell) > 1 else ""
            raise StackError(f"{name} is {word}{others}: {self._last_words(name)}")

    def status(self) -> list[ProcessStatus]:
        """Every process, in the order of their start."""
        states = self._supervisor.states()
        expected = self._expected()
        running = [name for name in expected if name in states and states[name].pid is not None]
        said = check_all({name: self._probe(name) for name in running})
        return [
            ProcessStatus(
                name=name,
                state=states[name].state if name in states else "STOPPED",
                health=said.get(name, "STOPPED"),
                pid=states[name].pid if name in states else None,
                uptime_s=states[name].uptime_s if name in states else 0.0,
                ports=tuple(port for process, port in self.ports.by_process(broker=True) if process == name),
            )
            for name in expected
        ]

    def _probe(self, name: str) -> Callable[[], str]:
        self._known(name)
        if name == POSTGRES:
            return lambda: SERVING if self._postgres_ready() else UNREACHABLE
        if name == ENVOY:
            return partial(edge_health, self.ports.edge)
        if name == RABBITMQ:
            return partial(broker_health, self.ports.broker[0])
        if name == EPMD:
            return partial(listener_health, self.ports.broker[2])
        found = next(each for each in processes.present_services(self.ports.replicas) if each.process == name)
        return partial(service_health, self.ports.grpc(found.name, found.replica))

    def _expected(self) -> list[str]:
        present = {service.process for service in processes.present_services(self.ports.replicas)} | {ENVOY}
        if self.database.server is not None:
            present.add(POSTGRES)
        present.update(self.broker.processes)
        return [name for name in processes.names(self.ports.replicas) if name in present]

    def _known(self, name: str) -> None:
        names = processes.names(self.ports.replicas)
        if name not in names:
            raise StackError(f"there is no process {name!r}; there are {', '.join(names)}", exit_code=2)

    def _state(self, name: str) -> ProcessState:
        self._known(name)
        return self._supervisor.states().get(name) or ProcessState(name, "STOPPED", None, 0.0, "")

    def _running(self) -> set[str]:
        states: Mapping[str, ProcessState] = self._supervisor.states()
        return {name for name, state in states.items() if state.is_up}

    def _last_words(self, name: str) -> str:
        return f"{last_words(self.home.logs / f'{name}.log')} (see `groundline logs {name}`)"
