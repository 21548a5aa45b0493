"""Where one stack keeps its files, and on which ports it listens."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cli.stack.errors import StackError
from db.placement import run_place

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
DEFAULT_EDGE_PORT = 8080
DEFAULT_ADMIN_PORT = 9901
DEFAULT_PORT_BASE = 50050
# Offsets from the base; the metrics port is 1000 above the gRPC port.
SERVICE_OFFSETS = {
    "gateway": 1,
    "orchestrator": 2,
    "retrieval": 3,
    "evaluator": 4,
    "ticketing": 5,
    "worker-delivery": 6,
    "worker-knowledge": 7,
}
_METRICS_OFFSET = 1000
# Of one replica to the next. Four of them end where the kernel's own range begins.
_REPLICA_OFFSET = 200
MOST_REPLICAS = 4
_EDGE_OFFSET, _ADMIN_OFFSET = 8, 9
_BROKER_OFFSETS = (10, 11, 12)
# Below the range that the kernel hands out to outgoing connections, so that a free port stays free.
_FREE_BASES = range(20_000, 31_000, 20)


@dataclass(frozen=True)
class Ports:
    """Every TCP port of one stack; all on the loopback address."""

    edge: int = DEFAULT_EDGE_PORT
    admin: int = DEFAULT_ADMIN_PORT
    base: int = DEFAULT_PORT_BASE
    replicas: int = 1
    """How many processes there are of each service."""

    def grpc(self, service: str, replica: int = 1) -> int:
        """The port where a replica of `service` answers gRPC."""
        return self.base + SERVICE_OFFSETS[service] + (replica - 1) * _REPLICA_OFFSET

    def all_grpc(self, service: str) -> list[int]:
        """The ports of all replicas of `service`."""
        return [self.grpc(service, replica) for replica in range(1, self.replicas + 1)]

    def metrics(self, service: str, replica: int = 1) -> int:
        """The port where a replica of `service` answers GET /metrics."""
        return self.grpc(service, replica) + _METRICS_OFFSET

    @property
    def broker(self) -> tuple[int, int, int]:
        """The broker's port for AMQP, its own for tools, and its port mapper's."""
        amqp, distribution, epmd = (self.base + offset for offset in _BROKER_OFFSETS)
        return amqp, distribution, epmd

    def by_process(self, *, broker: bool = False) -> Iterator[tuple[str, int]]:
        """Every port with the process that listens there; the broker's only if the stack has one."""
        if broker:
            yield from zip(("rabbitmq", "rabbitmq", "epmd"), self.broker, strict=True)
        yield "envoy", self.edge
        yield "envoy", self.admin
        for service in SERVICE_OFFSETS:
            for replica in range(1, self.replicas + 1):
                yield replica_name(service, replica), self.grpc(service, replica)
                yield replica_name(service, replica), self.metrics(service, replica)


def replica_name(service: str, replica: int) -> str:
    """The process' name: `gateway`, `gateway-2`, …"""
    return service if replica == 1 else f"{service}-{replica}"


def choose_ports(edge: int | None, base: int | None, replicas: int = 1) -> Ports:
    """The ports asked for, and for the rest the usual ones, or free ones if the edge is not at its usual port.

    `edge` 0 means any free port. Raises StackError if there are no free ones.
    """
    if not 1 <= replicas <= MOST_REPLICAS:
        raise StackError(f"there can be 1 to {MOST_REPLICAS} replicas, not {replicas}", exit_code=2)
    if base is None:
        base = DEFAULT_PORT_BASE if edge in (None, DEFAULT_EDGE_PORT) else _free_base(replicas)
    if not 1024 <= base <= 64_000:
        raise StackError(f"port base {base} is not between 1024 and 64000", exit_code=2)
    usual = base == DEFAULT_PORT_BASE
    if edge is None:
        edge = DEFAULT_EDGE_PORT if usual else base + _EDGE_OFFSET
    return Ports(
        edge=edge or base + _EDGE_OFFSET,
        admin=DEFAULT_ADMIN_PORT if usual and edge == DEFAULT_EDGE_PORT else base + _ADMIN_OFFSET,
        base=base,
        replicas=replicas,
    )


def _free_base(replicas: int) -> int:
    # Stacks that start at the same time begin to look at different places.
    first = os.getpid() % len(_FREE_BASES)
    candidates: list[int] = [*_FREE_BASES[first:], *_FREE_BASES[:first]]
    for candidate in candidates:
        offsets = [*SERVICE_OFFSETS.values(), _EDGE_OFFSET, _ADMIN_OFFSET, *_BROKER_OFFSETS]
        offsets += [
            offset + replica * _REPLICA_OFFSET + metrics
            for offset in SERVICE_OFFSETS.values()
            for replica in range(replicas)
            for metrics in (0, _METRICS_OFFSET)
        ]
        if all(is_free(candidate + offset) for offset in offsets):
            return candidate
    raise StackError("no free block of ports was found: name one with --port-base")


def is_free(port: int) -> bool:
    """Whether nothing listens at `port` on the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@dataclass(frozen=True)
class Home:
    """The folder that holds all state of one stack (GROUNDLINE_HOME)."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data, unless its account can't reach it there."""
        return self.path / "pgdata"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def signing_key(self) -> Path:
        return self.keys / "signing.pem"

    @property
    def jwks(self) -> Path:
        return self.keys / "jwks.json"

    @property
    def objects(self) -> Path:
        return self.path / "objects"

    @property
    def policies(self) -> Path:
        """Policies of one's own, beside the shipped one."""
        return self.path / "policies"

    @property
    def backups(self) -> Path:
        """Base backups and the archived WAL: GROUNDLINE_BACKUPS, best on another disk, or a folder in here."""
        given = os.environ.get("GROUNDLINE_BACKUPS")
        return Path(given).absolute() if given else self.path / "backups"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def broker(self) -> Path:
        """RabbitMQ's state, unless its account can't reach it there."""
        return self.path / "rabbitmq"

    @property
    def edge_config(self) -> Path:
        return self.path / "edge.yaml"

    @property
    def supervisor_config(self) -> Path:
        return self.path / "supervisord.conf"

    @property
    def supervisor_log(self) -> Path:
        return self.logs / "supervisord.log"

    @property
    def supervisor_socket(self) -> Path:
        return run_place(self.path / "control") / "supervisor.sock"

    @property
    def lock(self) -> Path:
        return self.path / "up.lock"

    @property
    def choices(self) -> Path:
        """What the last `up` chose: the ports and the road."""
        return self.path / "stack.json"

    def load_ports(self) -> Ports | None:
        """The ports of the last `up`, if there was one."""
        chosen = self._load_choices()
        chosen.pop("road", None)
        try:
            return Ports(**chosen) if chosen else None
        except TypeError:
            raise StackError(f"{self.choices} can't be read: remove it") from None

    def load_road(self) -> str | None:
        """The road of the last `up`, if there was one."""
        road = self._load_choices().get("road")
        return road if isinstance(road, str) else None

    def _load_choices(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.choices.read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise StackError(f"{self.choices} can't be read: {error.strerror}") from error
        except (ValueError, TypeError):
            raise StackError(f"{self.choices} can't be read: remove it") from None

    def save_choices(self, ports: Ports, road: str) -> None:
        """Keeps ports and road for the commands that come later."""
        draft = self.choices.with_suffix(".tmp")
        draft.write_text(json.dumps({**asdict(ports), "road": road}) + "\n")
        draft.replace(self.choices)


def home_from_environment() -> Path:
    """GROUNDLINE_HOME, or `.groundline` in the working folder."""
    return Path(os.environ.get("GROUNDLINE_HOME") or ".groundline").absolute()


def replicas_from_environment() -> int | None:
    """GROUNDLINE_REPLICAS, if it is set. Raises StackError if it is no number."""
    text = os.environ.get("GROUNDLINE_REPLICAS")
    if text and not text.isdigit():
        raise StackError("GROUNDLINE_REPLICAS must be a whole number", exit_code=2)
    return int(text) if text else None
