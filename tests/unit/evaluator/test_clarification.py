"""What may be asked back: seldom, never in place of another reason, and with the sources' own names."""

import pytest

from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.evaluation.v1.evaluation_pb2 import (
    CLARIFICATION_KIND_UNDERSPECIFIED,
    CLARIFICATION_KIND_VERSION,
    DECISION_FAIL,
    Policy,
)
from groundline.retrieval.v1.evidence_pb2 import Evidence
from tests.unit.evaluator.cases import POLICY, evidence, pack, quoting, verdict

FAR = evidence("The tray is made of steel.", title="Materials", score=0.3, cosine=0.05)


def versions() -> list[Evidence]:
    return [
        evidence("An Acme 3 can hold up to 40 widgets.", name="3", title="Widgets in an Acme 3", version="3"),
        evidence("An Acme 2 can hold up to 20 widgets.", name="2", title="Widgets in an Acme 2", version="2"),
    ]


@pytest.mark.parametrize("question", ["it doesn't work", "help!", "Still broken", "problem with the hub", "router"])
def test_who_says_hardly_anything_is_asked_to_say_more(question: str) -> None:
    found = verdict(pack(FAR, question=question))
    assert (found.decision, found.clarification.kind) == (DECISION_FAIL, CLARIFICATION_KIND_UNDERSPECIFIED)


@pytest.mark.parametrize(
    "question", ["E-2004", "How do I descale the boiler?", "Acme 3 broken", "my parcel has not arrived yet"]
)
def test_who_says_what_it_is_about_is_not(question: str) -> None:
    found = verdict(pack(FAR, question=question))
    assert found.decision == DECISION_FAIL
    assert not found.HasField("clarification")


def test_between_versions_that_differ_the_customer_is_asked_which() -> None:
    found = verdict(pack(*versions(), question="How many widgets can an Acme hold?"))
    assert found.reason == rc.REASON_CODE_INSUFFICIENT_COVERAGE
    assert found.clarification.kind == CLARIFICATION_KIND_VERSION
    assert list(found.clarification.options) == ["Acme 2", "Acme 3"]


def test_who_names_the_version_is_answered() -> None:
    found = verdict(pack(*versions(), question="How many widgets can an Acme 3 hold?"))
    assert not found.HasField("clarification")


def test_names_that_no_title_writes_are_not_made_up() -> None:
    two, three = versions()
    two.title = three.title = "Widgets"
    found = verdict(pack(two, three, question="How many widgets can an Acme hold?"))
    assert not found.HasField("clarification")


@pytest.mark.parametrize(
    ("question", "passages", "reason"),
    [
        ("lawyer", [FAR], rc.REASON_CODE_POLICY_RESTRICTED),
        ("widgets", [evidence(superseded=True)], rc.REASON_CODE_STALE_SOURCES),
    ],
)
def test_no_other_reason_is_hidden(question: str, passages: list[Evidence], reason: rc.ReasonCode.ValueType) -> None:
    found = verdict(pack(*passages, question=question))
    assert found.reason == reason
    assert not found.HasField("clarification")


def test_a_draft_is_never_a_reason_to_ask() -> None:
    page = evidence()
    found = verdict(pack(page, question="widgets?"), quoting(page, "It ships with an empty tray."))
    assert not found.HasField("clarification")


@pytest.mark.parametrize("allowed", [False, None])
def test_the_policy_must_allow_it(allowed: bool | None) -> None:
    policy = Policy()
    policy.CopyFrom(POLICY)
    policy.ClearField("clarification")
    if allowed is not None:
        policy.clarification.allowed = allowed
    assert not verdict(pack(FAR, question="help"), policy=policy).HasField("clarification")
