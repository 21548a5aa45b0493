"""How far a long command is, as bars on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]
"""Told what is done, how many of it, and of how many."""


@contextmanager
def bars(*, hidden: bool = False) -> Iterator[Progress]:
    """A bar for each thing that is done, on stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:23}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), disable=hidden or not sys.stderr.isatty()) as drawn:
        tasks = {}

        def progress(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = drawn.add_task(phase, total=total)
            drawn.update(tasks[phase], completed=done)

        yield progress
