"""The processes of a stack: what each runs, with which environment, and in which order they stop."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cli.stack.layout import HOST, REPOSITORY, Home, Ports, replica_name

POSTGRES, ENVOY = "postgres", "envoy"
# RabbitMQ and the port mapper of its node, where the stack has a broker of its own.
RABBITMQ, EPMD = "rabbitmq", "epmd"


@dataclass(frozen=True)
class Service:
    """A Python process of the mesh."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    database_role: str | None = None
    mints_tokens: bool = True
    replica: int = 1

    @property
    def process(self) -> str:
        """The name of this replica's process."""
        return replica_name(self.name, self.replica)


SERVICES: tuple[Service, ...] = (
    # The evaluator is a pure function of its request: it reads no database and calls nobody.
    Service("evaluator", "svc_evaluator", mints_tokens=False),
    Service("retrieval", "svc_retrieval", database_role="groundline_retrieval"),
    Service("ticketing", "svc_ticketing", database_role="groundline_ticketing"),
    Service("orchestrator", "svc_orchestrator", database_role="groundline_orchestrator"),
    Service("gateway", "svc_gateway", database_role="groundline_gateway"),
    Service("worker-delivery", "svc_workers", ("delivery",), database_role="groundline_workers"),
    Service("worker-knowledge", "svc_workers", ("knowledge",), database_role="groundline_workers"),
)
# Every process by name, in the order of `status`; of replicas the first.
NAMES: tuple[str, ...] = (POSTGRES, EPMD, RABBITMQ, *(service.name for service in SERVICES), ENVOY)
# A service that has a replica goes on answering for so long after it said that it will stop, until all callers know.
DRAIN_NOTICE_S = 2.5
# Those in one step stop together; a step begins when the one before has ended.
STOP_ORDER: tuple[tuple[str, ...], ...] = (
    (ENVOY,),
    ("gateway", "worker-delivery", "worker-knowledge"),
    ("orchestrator",),
    ("evaluator", "retrieval", "ticketing"),
    (RABBITMQ,),
    (EPMD, POSTGRES),
)
# What `up`'s own environment may add or change. All else that begins with GROUNDLINE_ is the stack's to say.
_OWN = frozenset(
    {"DATABASE_URL", "LISTEN", "METRICS_LISTEN", "SIGNING_KEY_FILE", "VERIFY_JWKS_FILE", "HOME", "ROAD", "AMQP_URL"}
)
_TARGETS = ("gateway", "orchestrator", "retrieval", "evaluator", "ticketing")


@dataclass(frozen=True)
class Program:
    """What the supervisor starts for one process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    account: str | None = None
    stop_signal: str = "TERM"
    stop_timeout_s: int = 15
    directory: Path = REPOSITORY


def drain_timeout_s() -> float:
    """How long a service lets calls in flight finish; on one machine nobody waits long for a restart."""
    try:
        return float(os.environ.get("GROUNDLINE_DRAIN_TIMEOUT_S") or 5)
    except ValueError:
        return 5.0


def present_services(replicas: int = 1) -> tuple[Service, ...]:
    """Every replica of the services whose code is there."""
    present = [service for service in SERVICES if (REPOSITORY / service.module / "__main__.py").exists()]
    return tuple(replace(service, replica=number) for service in present for number in range(1, replicas + 1))


def names(replicas: int) -> list[str]:
    """Every process by name, replicas included, in the order of `status`."""
    counts = {service.name: replicas for service in SERVICES}
    return [replica_name(name, number) for name in NAMES for number in range(1, counts.get(name, 1) + 1)]


def stop_order(replicas: int) -> list[list[str]]:
    """STOP_ORDER with replicas."""
    known = set(names(replicas))
    steps = [[replica_name(name, number) for name in step for number in range(1, replicas + 1)] for step in STOP_ORDER]
    return [[name for name in step if name in known] for step in steps]


def service_environment(
    service: Service, home: Home, ports: Ports, database_url: str | None, road: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The variables that one service is started with, besides the caller's own. `road` is for the workers."""
    environment = {
        "GROUNDLINE_HOME": str(home.path),
        "GROUNDLINE_LISTEN": f"{HOST}:{ports.grpc(service.name, service.replica)}",
        "GROUNDLINE_METRICS_LISTEN": f"{HOST}:{ports.metrics(service.name, service.replica)}",
        "GROUNDLINE_VERIFY_JWKS_FILE": str(home.jwks),
        "GROUNDLINE_OBJECT_STORE_URL": os.environ.get("GROUNDLINE_OBJECT_STORE_URL") or home.objects.as_uri(),
        "GROUNDLINE_POLICY_FOLDER": os.environ.get("GROUNDLINE_POLICY_FOLDER") or str(home.policies),
        "GROUNDLINE_DRAIN_TIMEOUT_S": f"{drain_timeout_s():g}",
        "PYTHONUNBUFFERED": "1",
    }
    if ports.replicas > 1:
        environment["GROUNDLINE_DRAIN_NOTICE_S"] = f"{DRAIN_NOTICE_S:g}"
    if service.module == "svc_workers":
        environment.update(road or {})
    for target in _TARGETS:
        environment[f"GROUNDLINE_{target.upper()}_TARGET"] = _target(ports.all_grpc(target))
    if service.database_role is not None and database_url is not None:
        environment["GROUNDLINE_DATABASE_URL"] = database_url
    if service.mints_tokens:
        environment["GROUNDLINE_SIGNING_KEY_FILE"] = str(home.signing_key)
    return environment


def _target(ports: Sequence[int]) -> str:
    addresses = ",".join(f"{HOST}:{port}" for port in ports)
    return addresses if len(ports) == 1 else f"ipv4:{addresses}"


def service_command(service: Service) -> list[str]:
    """The command line of one service."""
    return [sys.executable, "-m", service.module, *service.arguments]


def inherited_environment() -> dict[str, str]:
    """The caller's environment without what the stack says itself; models' keys and such pass through."""
    targets = {f"{target.upper()}_TARGET" for target in _TARGETS}
    return {
        name: value
        for name, value in os.environ.items()
        if name.removeprefix("GROUNDLINE_") == name or name.removeprefix("GROUNDLINE_") not in _OWN | targets
    }
