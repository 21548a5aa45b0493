"""The tables of docs/reliability.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from .controls import Control
from .experiments import Result

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- written by `make faults` -->", "<!-- end -->"
# Three in n: with 95 % confidence the rate is below it where none was seen in n.
RULE_OF_THREE = 3


def write(
    results: Sequence[Result],
    controls: Sequence[tuple[Control, Result]],
    fired: Mapping[str, int],
    *,
    seed: int,
    path: Path = DOCUMENT,
) -> None:
    """Puts the tables between the marks of the document. Raises ValueError if it has none."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the tables")
    path.write_text(before + BEGIN + "\n\n" + render(results, controls, fired, seed=seed) + "\n" + END + after)


def render(
    results: Sequence[Result], controls: Sequence[tuple[Control, Result]], fired: Mapping[str, int], *, seed: int
) -> str:
    """All tables as Markdown."""
    faults = sum(each.faults for each in results)
    operations = sum(each.verdict.operations for each in results)
    wrong = sum(len(each.verdict.findings) for each in results)
    bound = f"; none in {faults} bounds the rate at about {RULE_OF_THREE / faults:.1%} a fault" if not wrong else ""
    return "\n".join(
        [
            f"{faults} faults, {operations} acknowledged operations, {wrong} findings{bound}. "
            f"Seed {seed}, {os.cpu_count()} processors, {platform.system()} on {platform.machine()}.",
            "",
            *_table(
                (
                    "experiment",
                    "rounds",
                    "faults fired",
                    "conversations",
                    "acknowledged",
                    "repeated calls",
                    "lost",
                    "duplicated",
                    "unexplained",
                    "healthy again, median / worst (s)",
                    "quiet after load (s)",
                    "longest wait (s)",
                ),
                map(_line, results),
            ),
            "",
            "With a guard taken away, the suite must turn red:",
            "",
            *_table(
                ("guard taken away", "faults fired", "must find", "lost", "duplicated", "unexplained", "red"),
                (_control_line(control, result) for control, result in controls),
            ),
            "",
            "How often each place acted:",
            "",
            *_table(("place", "times"), ((f"`{name}`", str(count)) for name, count in sorted(fired.items()))),
            "",
        ]
    )


def _line(result: Result) -> tuple[str, ...]:
    verdict = result.verdict
    return (
        result.name,
        str(result.rounds),
        str(result.faults),
        str(result.sessions),
        str(verdict.operations),
        str(result.retries),
        *_counts(result),
        f"{median(result.back_s):.1f} / {max(result.back_s):.1f}" if result.back_s else "",
        "never" if result.quiet_s is None else f"{result.quiet_s:.1f}",
        f"{verdict.longest_wait_s:.1f}",
    )


def _control_line(control: Control, result: Result) -> tuple[str, ...]:
    red = "yes" if result.verdict.count(control.finds) else "NO"
    return control.name, str(result.faults), control.finds, *_counts(result), red


def _counts(result: Result) -> tuple[str, str, str]:
    verdict = result.verdict
    return str(verdict.count("lost")), str(verdict.count("duplicated")), str(verdict.count("unexplained"))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    rows = ["| " + " | ".join(line) + " |" for line in (head, *lines)]
    return [rows[0], "|" + " --- |" * len(head), *rows[1:]]
