"""The tables of docs/reliability.md."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .controls import CONTROLS
from .experiments import ROADS
from .places import places
from .records import Record
from .registry import TRIALS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- written by `make faults` -->", "<!-- end -->"
# Three in n: with 95 % confidence the rate is below it where none was seen in n.
RULE_OF_THREE = 3


def write(everything: Sequence[Record], *, path: Path = DOCUMENT) -> None:
    """Puts the tables between the marks of the document. Raises ValueError if it has none."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the tables")
    path.write_text(before + BEGIN + "\n\n" + render(everything) + "\n" + END + after)


def missing(everything: Sequence[Record]) -> list[str]:
    """Experiments and controls that were not run on a road that they are meant for, and places that never acted."""
    run = {(each.road, each.name) for each in everything}
    fired = {road: _fired(everything, road) for road in ROADS}
    found = [
        *((each.name, "not run", road) for each in TRIALS for road in each.roads if (road, each.name) not in run),
        *((each.name, "not run", road) for each in CONTROLS for road in each.roads if (road, each.name) not in run),
        *((name, "never acted", road) for name in sorted(places()) for road in ROADS if not _acted(name, road, fired)),
    ]
    roads: dict[tuple[str, str], list[str]] = {}
    for name, what, road in found:
        roads.setdefault((name, what), []).append(road)
    return [f"{name}: {what} ({', '.join(on)})" for (name, what), on in roads.items()]


def _acted(name: str, road: str, fired: Mapping[str, Counter[str]]) -> bool:
    return fired[road][name] > 0 or name not in places_of(road)


def places_of(road: str) -> set[str]:
    """The places that commands of this road come by."""
    return {name for name in places() if road == "amqp" or not name.startswith("amqp.")}


def render(everything: Sequence[Record]) -> str:
    """All tables as Markdown."""
    experiments = sorted((each for each in everything if not each.finds), key=_order)
    controls = sorted((each for each in everything if each.finds), key=_order)
    return "\n".join(
        [
            *_summary(experiments),
            "",
            *_table(
                (
                    "no.",
                    "experiment",
                    "road",
                    "rounds",
                    "faults",
                    "kills",
                    "acknowledged",
                    "lost",
                    "duplicated",
                    "unexplained",
                    "well again, median / worst (s)",
                    "quiet after load (s)",
                    "also seen",
                ),
                map(_line, experiments),
            ),
            "",
            "With a guard taken away, the suite must turn red:",
            "",
            *_table(
                ("guard taken away", "road", "faults", "must find", "lost", "duplicated", "unexplained", "red"),
                map(_control_line, controls),
            ),
            "",
            "How often each place acted, controls included:",
            "",
            *_table(("place", *ROADS), _place_lines(everything)),
            "",
            *_missing_lines(everything),
        ]
    )


def _summary(experiments: Sequence[Record]) -> list[str]:
    kills = {road: sum(each.kills for each in experiments if each.road == road) for road in ROADS}
    faults = sum(each.faults for each in experiments)
    operations = sum(each.operations for each in experiments)
    wrong = sum(map(_wrong, experiments))
    wrong_by_kills = sum(_wrong(each) for each in experiments if each.kills)
    total = sum(kills.values())
    broken = sum(bool(each.broken) for each in experiments)
    ends = f", {broken} experiments that came to no end" if broken else ""
    bound = (
        f"; none in {total} kills bounds the rate at about {RULE_OF_THREE / total:.1%} a kill"
        if total and not wrong_by_kills
        else ""
    )
    by_road = ", ".join(f"{road} {count}" for road, count in kills.items())
    commits = Counter(each.commit for each in experiments)
    return [
        f"{faults} faults, {total} of them the kill of a process ({by_road}); {operations} acknowledged operations; "
        f"findings: {wrong}{ends}{bound}.",
        f"{os.cpu_count()} processors, {platform.system()} on {platform.machine()}; commit "
        + ", ".join(f"{name} ({count} experiments)" for name, count in commits.most_common())
        + ".",
    ]


def _wrong(each: Record) -> int:
    return each.lost + each.duplicated + each.unexplained


def _missing_lines(everything: Sequence[Record]) -> list[str]:
    found = missing(everything)
    return ["Not part of this run:", "", *(f"- {each}" for each in found), ""] if found else []


def _order(each: Record) -> tuple[int, str, str]:
    return int(each.number.partition(",")[0] or 0), each.name, each.road


def _line(each: Record) -> tuple[str, ...]:
    return (
        each.number,
        each.name,
        each.road,
        str(each.rounds),
        str(each.faults),
        str(each.kills),
        str(each.operations),
        *_counts(each),
        f"{each.back_median_s:.1f} / {each.back_worst_s:.1f}" if each.back_worst_s else "",
        "" if each.quiet_s is None else f"{each.quiet_s:.1f}",
        "; ".join([*(f"{name}: {value}" for name, value in each.measured.items()), *_broken(each)]),
    )


def _broken(each: Record) -> list[str]:
    # Its counts are nought because nothing was counted.
    return [f"**came to no end**: {each.broken[:80]}"] if each.broken else []


def _control_line(each: Record) -> tuple[str, ...]:
    return each.name, each.road, str(each.faults), each.finds, *_counts(each), "yes" if each.holds else "NO"


def _counts(each: Record) -> tuple[str, str, str]:
    return str(each.lost), str(each.duplicated), str(each.unexplained)


def _place_lines(everything: Sequence[Record]) -> Iterable[tuple[str, ...]]:
    fired = {road: _fired(everything, road) for road in ROADS}
    for name in sorted(places()):
        yield f"`{name}`", *(str(fired[road][name]) if name in places_of(road) else "" for road in ROADS)


def _fired(everything: Sequence[Record], road: str) -> Counter[str]:
    fired: Counter[str] = Counter()
    for each in everything:
        if each.road == road:
            fired.update(each.places)
    return fired


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    rows = ["| " + " | ".join(line) + " |" for line in (head, *lines)]
    return [rows[0], "|" + " --- |" * len(head), *rows[1:]]
