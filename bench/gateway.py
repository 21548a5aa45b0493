"""The gateway's own process, wired as in production, and connections to it."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.database import Ground
from bench.load import Load
from bench.processes import HOST, Process, free_port, python
from bench.requests import GrpcRequests, RestRequests
from bench.wire import GrpcWire, RestWire

# As many as Envoy's workers and a few adapters would hold.
GRPC_CONNECTIONS = 4
# HTTP/1.1 carries one call at a time; more than these are never under way at half of the capacity.
REST_CONNECTIONS = 40


@dataclass(frozen=True)
class Running:
    """The gateway and the stand-in that it hints at."""

    gateway: Process
    orchestrator: Process


@contextmanager
def running_gateway(ground: Ground) -> Iterator[Running]:
    """Starts both; ends them at the end. Raises LoadError."""
    with ExitStack() as stack:
        orchestrator_port, port, metrics_port = free_port(), free_port(), free_port()
        orchestrator = stack.enter_context(
            Process(
                "orchestrator-double",
                python("bench.orchestrator_double", str(orchestrator_port)),
                port=orchestrator_port,
                folder=ground.folder,
            )
        )
        gateway = stack.enter_context(
            Process(
                "gateway",
                python("svc_gateway"),
                port=port,
                folder=ground.folder,
                environment={
                    "GROUNDLINE_DATABASE_URL": ground.url("groundline_gateway"),
                    "GROUNDLINE_LISTEN": f"{HOST}:{port}",
                    "GROUNDLINE_METRICS_LISTEN": f"{HOST}:{metrics_port}",
                    "GROUNDLINE_SIGNING_KEY_FILE": str(ground.signing_key),
                    "GROUNDLINE_VERIFY_JWKS_FILE": str(ground.jwks),
                    "GROUNDLINE_ORCHESTRATOR_TARGET": f"{HOST}:{orchestrator_port}",
                    "GROUNDLINE_HOME": str(ground.folder),
                },
            )
        )
        yield Running(gateway, orchestrator)


def grpc_load(ground: Ground, port: int) -> Load:
    """A load of gRPC calls to `port`."""
    requests = GrpcRequests(ground.customers, authority=f"{HOST}:{port}", run=secrets.token_hex(4))
    return Load((HOST, port), [GrpcWire(requests.build) for _ in range(GRPC_CONNECTIONS)])


def rest_load(ground: Ground, port: int) -> Load:
    """A load of REST calls to `port`."""
    requests = RestRequests(ground.customers, authority=f"{HOST}:{port}", run=secrets.token_hex(4))
    return Load((HOST, port), [RestWire(requests.build) for _ in range(REST_CONNECTIONS)])
