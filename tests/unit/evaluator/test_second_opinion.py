"""A second reader's word: it can turn a PASS into a FAIL, and never the other way."""

import math
import random

import pytest

from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.evaluation.v1.evaluation_pb2 import (
    DECISION_FAIL,
    DECISION_PASS,
    ClaimOpinion,
    Policy,
    SecondOpinion,
    Verdict,
)
from svc_evaluator.judgement import judge
from tests.unit.evaluator.cases import POLICY, QUESTION, changed, evidence, pack, quoting
from tests.unit.evaluator.test_purity import request

PAGE = evidence()
DRAFT = quoting(PAGE, "An Acme 3 can hold up to 40 widgets.")


def opinion(*entailed: float, answers: float | None = None) -> SecondOpinion:
    claims = [ClaimOpinion(claim_index=index, entailment=each, neutral=1 - each) for index, each in enumerate(entailed)]
    return SecondOpinion(model="reader", claims=claims, answers_question=answers)


def judged(given: SecondOpinion | None, policy: Policy = POLICY) -> Verdict:
    return judge(QUESTION, pack(PAGE), DRAFT, policy, given)


def signals(verdict: Verdict) -> dict[str, tuple[float, float, bool]]:
    return {each.name: (each.value, each.threshold, each.ok) for each in verdict.signals}


def test_agreement_passes_and_is_on_record() -> None:
    assert judged(None).decision == DECISION_PASS
    found = judged(opinion(0.97, answers=1))
    assert found.decision == DECISION_PASS
    assert signals(found)["second_opinion"] == (0.97, 0.5, True)
    assert signals(found)["second_reading"] == (1.0, 0.5, True)


def test_without_a_reader_nothing_is_said_of_one() -> None:
    assert not {"second_opinion", "second_reading"} & set(signals(judged(None)))
    assert "second_reading" not in signals(judged(opinion(1)))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (opinion(0.3), codes.REASON_CODE_UNSUPPORTED_CLAIM),
        (opinion(), codes.REASON_CODE_UNSUPPORTED_CLAIM),
        (
            SecondOpinion(model="says both", claims=[ClaimOpinion(claim_index=0, entailment=0.9, contradiction=0.95)]),
            codes.REASON_CODE_UNSUPPORTED_CLAIM,
        ),
        (
            SecondOpinion(
                model="says twice",
                claims=[ClaimOpinion(claim_index=0, entailment=1), ClaimOpinion(claim_index=0, contradiction=1)],
            ),
            codes.REASON_CODE_UNSUPPORTED_CLAIM,
        ),
        (opinion(1, answers=0), codes.REASON_CODE_INSUFFICIENT_COVERAGE),
        (opinion(math.nan), codes.REASON_CODE_EVALUATOR_ERROR),
        (opinion(1, answers=math.inf), codes.REASON_CODE_EVALUATOR_ERROR),
    ],
)
def test_doubt_fails(given: SecondOpinion, reason: codes.ReasonCode.ValueType) -> None:
    found = judged(given)
    assert (found.decision, found.reason) == (DECISION_FAIL, reason)


def test_a_policy_may_ask_for_more() -> None:
    stricter = changed(second_opinion=0.99)
    assert judged(opinion(0.97), stricter).decision == DECISION_FAIL
    assert judged(opinion(0.995), stricter).decision == DECISION_PASS


def test_a_reader_that_says_yes_to_everything_saves_nothing() -> None:
    seen = {DECISION_PASS: 0, DECISION_FAIL: 0}
    for seed in range(300):
        given = request(seed)
        draft = given.draft if given.HasField("draft") else None
        without = judge(given.question, given.evidence_pack, draft, POLICY)
        yes = opinion(*[1.0] * len(draft.claims if draft is not None else ()), answers=1)
        found = judge(given.question, given.evidence_pack, draft, POLICY, yes)
        seen[without.decision] += 1
        assert found.decision == without.decision
        assert found.reason == without.reason
        # Nor does any other opinion, whatever it says.
        chance = random.Random(seed)
        other = opinion(*[chance.random() for _ in range(chance.randrange(4))], answers=chance.random())
        if without.decision == DECISION_FAIL:
            assert judge(given.question, given.evidence_pack, draft, POLICY, other).decision == DECISION_FAIL
    assert min(seen.values()) > 0
