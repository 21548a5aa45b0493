"""How far a long command is: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]
"""Told what is done, how many of it, and of how many; 0 where nobody knows."""

LINE_EVERY_S = 10.0


@contextmanager
def bars(*, hidden: bool = False) -> Iterator[Progress]:
    """A bar for each thing that is done, on stderr; where that is no terminal, a line every ten seconds."""
    if hidden or not sys.stderr.isatty():
        yield (lambda *_: None) if hidden else _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:23}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as drawn:
        tasks = {}

        def progress(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = drawn.add_task(phase, total=total or None)
            drawn.update(tasks[phase], completed=done)

        yield progress


def _lines(clock: Callable[[], float] = time.monotonic) -> Progress:
    began: dict[str, float] = {}
    said = clock()

    def progress(phase: str, done: int, total: int) -> None:
        nonlocal said
        now = clock()
        spent = now - began.setdefault(phase, now)
        if now - said < LINE_EVERY_S or not done or not spent:
            return
        said = now
        if not total:
            print(f"{phase}: {done}", file=sys.stderr, flush=True)
            return
        left = spent / done * (total - done)
        print(f"{phase}: {done} of {total}, about {left:.0f} s left", file=sys.stderr, flush=True)

    return progress
