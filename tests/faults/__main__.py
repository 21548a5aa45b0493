"""`make faults`: every experiment and control, and the report. Exits 1 if anything is not as promised."""

from __future__ import annotations

import argparse
import asyncio
import sys
import traceback
from collections import Counter
from functools import partial

from . import frozen, report
from .controls import CONTROLS, Control
from .experiments import EXPERIMENTS, Result, run
from .places import places
from .stage import Stage, open_stage

# Places of a road that this suite's stack does not take.
OTHER_ROADS = ("amqp.",)


def main() -> int:
    """Runs all of it; 0 if all holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="how often each fault of an experiment (6)")
    parser.add_argument("--seed", type=int, default=1, help="what decides who says what, and when (1)")
    parser.add_argument("--only", default="", help="experiments and controls whose name holds this; writes no report")
    given = parser.parse_args()
    with open_stage() as stage:
        return asyncio.run(_all(stage, given.rounds, given.seed, given.only))


async def _all(stage: Stage, rounds: int, seed: int, only: str) -> int:
    results: list[Result] = []
    bad: list[str] = []
    works = {each.name: partial(run, stage, each) for each in EXPERIMENTS} | {frozen.NAME: partial(frozen.run, stage)}
    for name, work in works.items():
        if only in name:
            try:
                results.append(await work(seed=seed, rounds=rounds))
            except Exception as error:
                # The others still have something to say.
                traceback.print_exception(error)
                bad.append(f"{name}: came to no end: {error!r}")
            else:
                _say(results[-1])
    fired = Counter(each.name for each in stage.fired())
    controls: list[tuple[Control, Result]] = []
    for control in CONTROLS:
        if only in control.name:
            controls.append((control, await control.run(stage, seed=seed)))
            _say(controls[-1][1])
    bad += [f"{each.name}: {each.verdict.words()}" for each in results if not each.verdict.clean]
    bad += [f"{control.name}: found nothing" for control, each in controls if not each.verdict.count(control.finds)]
    if not only:
        bad += [f"{name} never acted" for name in never_fired(set(fired))]
        report.write(results, controls, fired, seed=seed)
        print(f"written: {report.DOCUMENT.name}")
    print("\n".join(bad) if bad else "all as promised")
    return 1 if bad else 0


def never_fired(fired: set[str]) -> list[str]:
    """The places of this stack where nothing was ever made to happen."""
    return sorted(name for name in places().keys() - fired if not name.startswith(OTHER_ROADS))


def _say(result: Result) -> None:
    verdict = result.verdict
    print(
        f"{result.name}: {result.faults} faults, {verdict.operations} acknowledged, {verdict.count('lost')} lost, "
        f"{verdict.count('duplicated')} duplicated, {verdict.count('unexplained')} unexplained, {result.seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
