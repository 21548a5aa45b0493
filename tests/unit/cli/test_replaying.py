"""What another policy would have changed, as it is counted and told."""

import pytest

from cli.commands.replay import _print
from cli.progress import _lines
from cli.replaying import PASS, TO_DRAFT, Flips, Replayed
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as codes

PASSED = evaluation.Verdict(decision=evaluation.DECISION_PASS)
REFUSED = evaluation.Verdict(
    decision=evaluation.DECISION_FAIL, reason=codes.REASON_CODE_INSUFFICIENT_COVERAGE, confidence=0.4
)


def replayed(then: evaluation.Verdict, now: evaluation.Verdict, *, drafted: bool = True, event: str = "e") -> Replayed:
    return Replayed(event, "s", "How many?", then, now, drafted)


def test_a_pass_without_a_draft_is_no_pass() -> None:
    flips = Flips()
    flips.add(replayed(REFUSED, PASSED))
    flips.add(replayed(REFUSED, PASSED, drafted=False))
    flips.add(replayed(PASSED, REFUSED))
    flips.add(replayed(REFUSED, REFUSED, drafted=False))
    assert flips.judged == 4
    refused = "INSUFFICIENT_COVERAGE"
    assert flips.counts == {(refused, PASS): 1, (refused, TO_DRAFT): 1, (PASS, refused): 1}


def test_each_change_is_told_with_an_event_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    flips = Flips(elsewhere=3)
    flips.add(replayed(PASSED, REFUSED, event="0198c0de"))
    _print(flips, evaluation.Policy(version="tried", knowledge_base="routers"), False)
    said = capsys.readouterr().out
    assert "1 turns judged by tried; 1 would end otherwise." in said
    assert "3 turns were left out: the policy is for routers alone." in said
    assert said.splitlines()[-1].split() == ["PASS", "INSUFFICIENT_COVERAGE", "1", "How", "many?", "0198c0de"]


def test_progress_towards_nobody_knows_what_promises_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter((0.0, 1.0, 20.0, 40.0))
    progress = _lines(lambda: next(clock))
    progress("turns", 1, 0)
    progress("turns", 7, 0)
    progress("turns", 14, 28)
    assert capsys.readouterr().err.splitlines() == ["turns: 7", "turns: 14 of 28, about 39 s left"]
