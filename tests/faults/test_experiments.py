"""The part of the fault suite that every test run affords; `make faults` runs all of it, again and again."""

import pytest

from . import frozen
from .__main__ import OTHER_ROADS
from .controls import CONTROLS, Control
from .experiments import EXPERIMENTS, SUBSET, Experiment, run
from .places import places
from .stage import Stage
from .strikes import At

pytestmark = pytest.mark.timeout(240)
SEED = 7
# The other guards are taken away by `make faults`.
CONTROLS_HERE = [each for each in CONTROLS if each.name.startswith(("callers", "no fence", "commands are marked"))]


@pytest.mark.parametrize("experiment", SUBSET, ids=lambda each: each.name)
async def test_nothing_acknowledged_is_lost_or_done_twice(stage: Stage, experiment: Experiment) -> None:
    result = await run(stage, experiment, seed=SEED)
    assert result.faults == len(experiment.strikes)
    assert result.verdict.operations > 0
    assert result.verdict.clean, result.verdict.words()
    assert result.quiet_s is not None


async def test_a_turn_whose_lease_passed_to_another_changes_nothing(stage: Stage) -> None:
    result = await frozen.run(stage, seed=SEED)
    assert result.verdict.operations == 1
    assert result.verdict.clean, result.verdict.words()


@pytest.mark.parametrize("control", CONTROLS_HERE, ids=lambda each: each.name)
async def test_without_its_guard_the_suite_turns_red(stage: Stage, control: Control) -> None:
    result = await control.run(stage, seed=SEED)
    assert result.verdict.count(control.finds), f"nothing {control.finds}: {result.verdict.words()}"


def test_every_place_has_an_experiment() -> None:
    struck = {each.place for experiment in EXPERIMENTS for each in experiment.strikes if isinstance(each, At)}
    known = {name for name in places() if not name.startswith(OTHER_ROADS)}
    assert known == struck
    assert len(CONTROLS_HERE) == 3
