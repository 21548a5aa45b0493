"""PostMessage through the gateway against a bare handler that runs the same statement."""

from contextlib import ExitStack

from bench.database import Ground
from bench.gateway import grpc_load, running_gateway
from bench.processes import Process, free_port, python
from bench.report import Table, side_by_side_table, spread_text
from bench.side_by_side import Plan, Say, Subject, measure

NAME = "post-message"
LEAST_THROUGHPUT = 0.8
MOST_P99 = 1.5


def run(ground: Ground, plan: Plan, say: Say) -> Table:
    """Raises LoadError."""
    with ExitStack() as stack:
        say("starting the gateway and the bare handler")
        running = stack.enter_context(running_gateway(ground))
        port = free_port()
        bare = stack.enter_context(
            Process(
                "bare",
                python("bench.bare", str(port), ground.url("groundline_gateway")),
                port=port,
                folder=ground.folder,
            )
        )
        postgres = ground.server.pid or 0
        subjects = (
            Subject("bare", stack.enter_context(grpc_load(ground, port)), {"bare": bare.pid, "postgres": postgres}),
            Subject(
                "gateway",
                stack.enter_context(grpc_load(ground, running.gateway.port)),
                {
                    "gateway": running.gateway.pid,
                    "postgres": postgres,
                    "orchestrator double": running.orchestrator.pid,
                },
            ),
        )
        found, rate = measure(
            subjects, plan, capacity_of=lambda all: sorted(all[0].throughput)[plan.rounds // 2], say=say
        )
    table = side_by_side_table(
        NAME, f"PostMessage through the gateway against a bare handler, concurrency {plan.concurrency}", found, rate
    )
    throughput, p99 = (found[1].ratio(figure, found[0]) for figure in ("throughput", "p99"))
    table.goals = [
        (
            f"throughput at least {LEAST_THROUGHPUT} of bare: {spread_text(throughput)}",
            throughput.median >= LEAST_THROUGHPUT,
        ),
        (f"p99 at most {MOST_P99} of bare: {spread_text(p99)}", p99.median <= MOST_P99),
    ]
    return table
