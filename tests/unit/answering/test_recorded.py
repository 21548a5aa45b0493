"""An approved record is given word for word, where the gate says that one answers."""

import pytest

from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_RECORD, DECISION_PASS, Verdict
from svc_orchestrator.answering import record_draft
from tests.unit.answering.packs import evidence, pack, quotes

TEXT = "Welcome!  Ask me **anything**.\n\nWe are here."


def _verdict(threshold: float = 0.58, *, ok: bool = True) -> Verdict:
    verdict = Verdict(decision=DECISION_PASS)
    verdict.signals.add(name="record_match", value=0.7, threshold=threshold, ok=ok)
    return verdict


def test_a_record_is_given_word_for_word() -> None:
    record = evidence(TEXT, record=True, score=0.5, cosine=0.9)
    found = pack("hello", evidence("Hello is a word.", name="other"), record)
    draft = record_draft(found.query, found, _verdict())
    assert draft is not None
    assert (draft.form, draft.model) == (ANSWER_FORM_RECORD, "record-1")
    assert [each.text for each in draft.claims] == [TEXT]
    assert quotes(draft, found) == [[TEXT]]
    assert not draft.HasField("usage")


@pytest.mark.parametrize(
    "verdict",
    [Verdict(decision=DECISION_PASS), _verdict(ok=False), _verdict(0.71)],
    ids=["the gate knows of none", "the gate refuses it", "the gate's policy wants more"],
)
def test_no_record_is_given_that_the_gate_does_not_want(verdict: Verdict) -> None:
    found = pack("hello", evidence(TEXT, record=True, score=0.5, cosine=0.9))
    assert record_draft(found.query, found, verdict) is None


def test_a_superseded_record_is_not_given() -> None:
    found = pack("hello", evidence(TEXT, record=True, score=0.5, cosine=0.9, superseded=True))
    assert record_draft(found.query, found, _verdict()) is None
