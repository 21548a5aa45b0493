"""Restarts services one replica after the other, so that there is always one that answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cli.stack import edge_admin, processes
from cli.stack.edge import CLUSTER_OF_SERVICE
from cli.stack.errors import StackError
from cli.stack.layout import replica_name
from cli.stack.stack import Stack

# Channels of other services come back to a replica that started again within their longest pause.
SETTLE_S = 2.5
_STEP_TIMEOUT_S = 60.0


def restart(
    stack: Stack,
    services: Sequence[str],
    *,
    rolling: bool,
    say: Callable[[str], None] = lambda _: None,
    step_timeout_s: float = _STEP_TIMEOUT_S,
) -> list[str]:
    """Restarts the named services (all if none); returns the processes in order.

    `rolling` drains one replica of each and goes on when everybody knows that it is back. Raises StackError if a name
    is unknown, if there is but one replica to roll, or if one is not back within `step_timeout_s`.
    """
    known = [service.name for service in processes.SERVICES]
    for name in services:
        if name not in known:
            raise StackError(f"there is no service {name!r}; there are {', '.join(known)}", exit_code=2)
    replicas = stack.ports.replicas
    if rolling and replicas < 2:
        raise StackError("a rolling restart needs a replica that serves meanwhile: `up --replicas 2`", exit_code=2)
    chosen = [name for name in known if not services or name in services]
    rounds = [[replica_name(name, number) for name in chosen] for number in range(1, replicas + 1)]
    if not rolling:
        rounds = [[process for each in rounds for process in each]]
    for each in rounds:
        say(f"restarting {', '.join(each)}")
        stack.restart(each, step_timeout_s)
        if rolling:
            _await_callers(stack, chosen, step_timeout_s)
    return [process for each in rounds for process in each]


def _await_callers(stack: Stack, services: Sequence[str], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    for service in set(services) & set(CLUSTER_OF_SERVICE.values()):
        while not edge_admin.all_healthy(stack.ports.admin, service):
            if time.monotonic() > deadline:
                raise StackError(f"the edge doesn't see every replica of {service}: the restart stops here")
            time.sleep(0.1)
    time.sleep(SETTLE_S)
