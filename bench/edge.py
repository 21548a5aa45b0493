"""PostMessage through Envoy, as gRPC and as REST, against the gateway's own port."""

from contextlib import ExitStack

from bench.database import Ground
from bench.gateway import grpc_load, rest_load, running_gateway
from bench.processes import REPOSITORY, Process, free_port
from bench.report import Table, side_by_side_table
from bench.side_by_side import Plan, Say, Subject, measure
from cli.stack import edge as edge_config
from cli.stack.checks import find_envoy
from cli.stack.health import SERVING, edge_health

NAME = "edge"
# As `groundline up` starts it.
ENVOY_WORKERS = 2
# The limiter stands in the way as in production, but must not be what is measured.
RATE_LIMIT_PER_S = 1_000_000


def run(ground: Ground, plan: Plan, say: Say) -> Table:
    """Raises LoadError, and StackError where Envoy can't be had or configured."""
    with ExitStack() as stack:
        say("starting the gateway and Envoy")
        running = stack.enter_context(running_gateway(ground))
        envoy = stack.enter_context(_envoy(ground, running.gateway.port))
        own = {"gateway": running.gateway.pid, "postgres": ground.server.pid or 0}
        with_envoy = {"envoy": envoy.pid, **own}
        subjects = (
            Subject("direct gRPC", stack.enter_context(grpc_load(ground, running.gateway.port)), own),
            Subject("Envoy gRPC", stack.enter_context(grpc_load(ground, envoy.port)), with_envoy),
            Subject("Envoy REST", stack.enter_context(rest_load(ground, envoy.port)), with_envoy),
        )
        # All must stand the rate: a share of what the slowest can.
        found, rate = measure(
            subjects,
            plan,
            capacity_of=lambda all: min(sorted(each.throughput)[plan.rounds // 2] for each in all),
            say=say,
        )
    return side_by_side_table(
        NAME, f"PostMessage through the edge against direct gRPC, concurrency {plan.concurrency}", found, rate
    )


def _envoy(ground: Ground, gateway_port: int) -> Process:
    binary, port, config = find_envoy(), free_port(), ground.folder / "edge.yaml"
    settings = edge_config.EdgeSettings(
        edge_port=port,
        admin_port=free_port(),
        descriptor=REPOSITORY / "gen" / "groundline.binpb",
        jwks=ground.jwks,
        # Nobody else runs; every cluster needs an address.
        upstreams={name: [gateway_port] for name in edge_config.CLUSTER_OF_SERVICE.values()},
        limits=edge_config.Limits(rate_limit_per_s=RATE_LIMIT_PER_S),
    )
    config.write_text(edge_config.render(settings, REPOSITORY / "envoy" / "edge.yaml"))
    command = [str(binary), "-c", str(config), "--disable-hot-restart", "--log-level", "warning"]
    return Process(
        "envoy",
        [*command, "--concurrency", str(ENVOY_WORKERS)],
        port=port,
        folder=ground.folder,
        is_ready=lambda: edge_health(port) == SERVING,
    )
