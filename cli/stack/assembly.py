"""What a stack is put together from before it starts: its folders and keys, the edge's configuration, its programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cli.stack import edge, processes
from cli.stack.broker import Broker
from cli.stack.database import Database
from cli.stack.errors import StackError
from cli.stack.layout import REPOSITORY, Home, Ports
from cli.stack.processes import ENVOY, Program
from meshkit.identity import create_keys

# Enough for one machine.
_ENVOY_WORKERS = 2


def make_home(home: Home) -> None:
    """Makes the private folders and, the first time, the signing key. Raises StackError."""
    try:
        for folder in (home.keys, home.logs, home.objects, home.policies):
            folder.mkdir(mode=0o700, exist_ok=True)
        create_keys(home.keys)
    except (OSError, ValueError) as error:
        raise StackError(f"{home.path} can't be used: {error}") from error


def write_edge_config(home: Home, ports: Ports, envoy: Path) -> bool:
    """Renders the edge's configuration; False if it is the one that stands. Raises StackError if Envoy refuses it."""
    settings = edge.EdgeSettings(
        edge_port=ports.edge,
        admin_port=ports.admin,
        descriptor=REPOSITORY / "gen" / "groundline.binpb",
        jwks=home.jwks,
        upstreams={name: ports.all_grpc(name) for name in dict.fromkeys(edge.CLUSTER_OF_SERVICE.values())},
        limits=edge.limits_from_environment(),
    )
    text = edge.render(settings, REPOSITORY / "envoy" / "edge.yaml")
    config = home.edge_config
    if config.exists() and config.read_text() == text:
        return False
    draft = config.with_suffix(".new.yaml")
    draft.write_text(text)
    edge.validate(envoy, draft)
    draft.replace(config)
    return True


def programs(home: Home, ports: Ports, database: Database, broker: Broker, envoy: Path) -> Iterator[Program]:
    """What the supervisor is to run. Makes the database's cluster and the broker's node if there is none.

    Raises StackError.
    """
    yield from database.programs()
    yield from broker.programs()
    for service in processes.present_services(ports.replicas):
        url = database.url(service.database_role) if service.database_role else None
        yield Program(
            service.process,
            processes.service_command(service),
            processes.service_environment(service, home, ports, url, broker.environment()),
            stop_timeout_s=int(processes.drain_timeout_s() + processes.DRAIN_NOTICE_S) + 10,
        )
    options = ["--concurrency", str(_ENVOY_WORKERS), "--log-level", "warning"]
    # Several edges on one machine must not look for each other's shared memory.
    yield Program(ENVOY, [str(envoy), "-c", str(home.edge_config), "--disable-hot-restart", *options], {})
