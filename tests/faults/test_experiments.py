"""The part of the fault suite that every test run affords; `make faults` runs all of it, again and again."""

import pytest

from . import frozen, identity, network
from .controls import CONTROLS, Control
from .experiments import Trial, struck
from .processes import EXPERIMENTS, SUBSET
from .report import places_of
from .stage import Stage
from .strikes import At

pytestmark = pytest.mark.timeout(240)
SEED = 7
# The other guards are taken away by `make faults`.
CONTROLS_HERE = [each for each in CONTROLS if each.name.startswith(("callers", "no fence", "commands are marked"))]
TRIALS_HERE = (
    *(struck("", each) for each in SUBSET),
    frozen.TRIAL,
    *(each for each in (*network.TRIALS, *identity.TRIALS) if each.number in ("9", "16")),
)


@pytest.mark.parametrize("trial", TRIALS_HERE, ids=lambda each: each.name)
async def test_nothing_acknowledged_is_lost_or_done_twice(stage: Stage, trial: Trial) -> None:
    result = await trial.run(stage, seed=SEED)
    assert result.faults > 0
    assert result.verdict.operations > 0
    assert result.verdict.clean, result.verdict.words()
    assert result.quiet_s is not None


@pytest.mark.parametrize("control", CONTROLS_HERE, ids=lambda each: each.name)
async def test_without_its_guard_the_suite_turns_red(stage: Stage, control: Control) -> None:
    result = await control.run(stage, seed=SEED)
    assert result.verdict.count(control.finds), f"nothing {control.finds}: {result.verdict.words()}"


def test_every_place_has_an_experiment() -> None:
    struck_at = {each.place for experiment in EXPERIMENTS for each in experiment.strikes if isinstance(each, At)}
    assert struck_at == places_of("embedded")
    assert len(CONTROLS_HERE) == 3
