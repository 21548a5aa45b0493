"""What is counted of the gate's confidence."""

import pytest

from evals.confidence import Case, ConfidenceFigures, Kind


def test_confidence_is_held_against_what_could_be_answered() -> None:
    sure = [(Kind.PRESENT, 0.9), (Kind.PRESENT, 0.7), (Kind.REMOVED, 0.75), (Kind.NEAR, 0.1), (Kind.REMOVED, 1.0)]
    found = ConfidenceFigures([Case(kind, value, value >= 0.7) for kind, value in sure]).figures()
    # Of 0.9 and 0.7, against 0.75 and 1.0: one of four pairs is the right way round.
    assert found["auroc_removed"].value == 0.25
    assert found["auroc_near"].value == 1.0
    # Bins of a fifth: 0.1; 0.7 and 0.75; 0.9 and 1.0.
    assert found["ece"] == pytest.approx((0.1 + abs(1.45 - 1) + abs(1.9 - 1)) / 5)
    assert found["wrong_among_surest"] == {"10": 1.0, "30": 0.5, "50": 0.5, "100": 0.6}
    assert {kind: each.value for kind, each in found["passed"].items()} == {"present": 1.0, "removed": 1.0, "near": 0.0}


def test_without_near_misses_nothing_is_said_of_them() -> None:
    found = ConfidenceFigures([Case(Kind.PRESENT, 0.9, True), Case(Kind.REMOVED, 0.2, False)]).figures()
    assert found["auroc_near"].value != found["auroc_near"].value
    assert found["auroc_removed"].value == 1.0
