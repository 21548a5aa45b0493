"""What the processes said: the last lines of their files, and then on as lines come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cli.stack import processes
from cli.stack.errors import StackError
from cli.stack.log_files import LogFile
from cli.stack.stack import Stack

_POLL_S = 0.2


def show(
    stack: Stack,
    names: Sequence[str],
    *,
    lines: int,
    follow: bool,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Prints the last `lines` of each process named (all by default); with `follow` goes on until `until` says so.

    Raises StackError if there is no such process.
    """
    known = processes.names(stack.ports.replicas)
    for name in names:
        if name not in known:
            raise StackError(f"there is no process {name!r}; there are {', '.join(known)}", exit_code=2)
    chosen = list(names) or known
    width = max(map(len, chosen)) if len(chosen) > 1 else 0
    followed = [LogFile(stack.home.logs / f"{name}.log", f"{name:<{width}} | " if width else "") for name in chosen]
    for file in followed:
        file.print_last(lines)
    while follow and not until():
        # Every file, not only the first that has something.
        if sum(file.print_new() for file in followed) == 0:
            time.sleep(_POLL_S)
