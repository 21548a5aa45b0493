"""`make faults`: every experiment and control on both roads, and the report. Exits 1 if anything is not as promised.

What each came to is kept in build/faults: parts may be run one after the other (--only, --road), and the report is
written from all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import traceback
from collections import Counter

from . import report
from .controls import CONTROLS
from .experiments import ROADS, Result, seed_of
from .records import Record, record, save, saved
from .registry import TRIALS
from .stage import Stage, open_stage


def main() -> int:
    """Runs what is asked for; 0 if all holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="how often each fault of an experiment (6)")
    parser.add_argument("--seed", type=int, default=1, help="what decides who says what, and when (1)")
    parser.add_argument("--road", choices=(*ROADS, "both"), default="both", help="which road (both)")
    parser.add_argument("--only", nargs="*", default=[], help="experiments of these numbers, or whose name holds this")
    parser.add_argument("--no-controls", action="store_true", help="experiments only")
    parser.add_argument("--no-experiments", action="store_true", help="controls only")
    parser.add_argument("--report", action="store_true", help="run nothing; write the report from what was run before")
    given = parser.parse_args()
    bad: list[str] = []
    if not given.report:
        for road in ROADS if given.road == "both" else (given.road,):
            with open_stage(road) as stage:
                bad += asyncio.run(_part(stage, given))
    if given.report or not (given.only or given.no_controls or given.no_experiments or given.road != "both"):
        everything = list(saved())
        report.write(everything)
        print(f"written: {report.DOCUMENT.name}")
        bad = report.missing(everything) + [_words(each) for each in everything if not each.holds]
    print("\n".join(bad) if bad else "all as promised")
    return 1 if bad else 0


async def _part(stage: Stage, given: argparse.Namespace) -> list[str]:
    bad = []
    for trial in TRIALS if not given.no_experiments else ():
        if stage.road in trial.roads and _wanted(given.only, trial.name, trial.number):
            before = _fired(stage)
            try:
                result, broken = await trial.run(stage, seed=given.seed, rounds=given.rounds), ""
            except Exception as error:
                # The others still have something to say.
                traceback.print_exception(error)
                result, broken = Result(trial.name, seed_of(trial.name, given.seed), 0), repr(error)
            kept = record(result, road=stage.road, number=trial.number, places=_fired(stage) - before)
            bad += _keep(kept, broken)
    for control in CONTROLS if not given.no_controls else ():
        if stage.road in control.roads and _wanted(given.only, control.name):
            before = _fired(stage)
            try:
                result, broken = await control.run(stage, seed=given.seed), ""
            except Exception as error:
                traceback.print_exception(error)
                result, broken = Result(control.name, seed_of(control.name, given.seed), 0), repr(error)
            kept = record(result, road=stage.road, finds=control.finds, places=_fired(stage) - before)
            bad += _keep(kept, broken)
    return bad


def _wanted(only: list[str], name: str, number: str = "") -> bool:
    numbers = [each.strip() for each in number.split(",")]
    return not only or any(each in numbers if each.isdigit() else each in name for each in only)


def _fired(stage: Stage) -> Counter[str]:
    return Counter(each.name for each in stage.fired())


def _keep(each: Record, broken: str) -> list[str]:
    if broken:
        object.__setattr__(each, "broken", broken)
    save(each)
    print(
        f"{each.road}: {each.number or 'control'} {each.name}: {each.faults} faults, {each.operations} acknowledged, "
        f"{each.lost} lost, {each.duplicated} duplicated, {each.unexplained} unexplained, {each.seconds:.0f} s"
        + (f" (must find {each.finds})" if each.finds else "")
        + "".join(f", {name}: {value}" for name, value in each.measured.items()),
        flush=True,
    )
    return [] if each.holds else [_words(each)]


def _words(each: Record) -> str:
    told = each.broken or (f"found nothing {each.finds}" if each.finds else each.words)
    return f"{each.road}: {each.name}: {told}"


if __name__ == "__main__":
    sys.exit(main())
