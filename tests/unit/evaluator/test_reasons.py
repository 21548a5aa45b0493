"""Each reason that the evaluator gives, by a minimal example; and which one comes first where several hold."""

import re
from pathlib import Path

import pytest

from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.evaluation.v1.evaluation_pb2 import (
    DECISION_FAIL,
    DECISION_PASS,
    Citation,
    ClaimOpinion,
    Draft,
    SecondOpinion,
    Verdict,
)
from svc_evaluator.catalogue import CATALOGUE, OPINIONS, PRECEDENCE
from svc_evaluator.judgement import judge
from tests.unit.evaluator.cases import (
    POLICY,
    QUESTION,
    TEXT,
    changed,
    chunk_id,
    cite,
    draft,
    evidence,
    pack,
    quoting,
    verdict,
)

ANSWER = "An Acme 3 can hold up to 40 widgets."


def reason(found: Verdict) -> str:
    assert (found.decision == DECISION_PASS) == (found.reason == codes.REASON_CODE_UNSPECIFIED)
    return codes.ReasonCode.Name(found.reason).removeprefix("REASON_CODE_")


def failed(found: Verdict) -> set[str]:
    return {each.name for each in found.signals if not each.ok}


def test_what_is_good_passes_with_every_signal_told() -> None:
    page = evidence()
    before, after = verdict(pack(page)), verdict(pack(page), quoting(page, ANSWER))
    assert reason(before) == reason(after) == "UNSPECIFIED"
    assert before.decision == after.decision == DECISION_PASS
    assert 0.5 < before.confidence <= 1
    order = [each.name for each in POLICY.thresholds]
    assert [each.name for each in after.signals] == [name for name in order if name not in ("record_match", *OPINIONS)]
    assert {each.name for each in before.signals} == {each.name for each in after.signals} - {
        "draft_usable",
        "answer_coverage",
        "asked_parts",
        "asked_end",
        "asked_designation",
        "asked_name_in_place",
        "stands_alone",
        "citations_complete",
        "claim_support",
    }
    assert [each.support for each in after.supports] == [1.0]
    assert not before.supports
    assert after.policy_version == POLICY.version


def test_an_empty_pack_is_no_evidence() -> None:
    assert reason(verdict(pack())) == "NO_EVIDENCE"


def test_nothing_near_is_no_evidence() -> None:
    assert (
        reason(verdict(pack(evidence("The weather is fine.", title="Weather", score=0.1, cosine=0.05))))
        == "NO_EVIDENCE"
    )


@pytest.mark.parametrize(
    "written", [Draft(), draft(("  ", [Citation(chunk_id=chunk_id("page"), start=0, end=3)]))], ids=["empty", "blank"]
)
def test_a_draft_that_says_nothing_is_a_model_error(written: Draft) -> None:
    assert reason(verdict(pack(evidence()), written)) == "LLM_ERROR"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["score", "signal", "idf"])
def test_a_number_that_is_none_is_an_evaluator_error(bad: float, where: str) -> None:
    found = pack(evidence())
    if where == "score":
        found.evidence[0].score = bad
    elif where == "signal":
        found.evidence[0].signals[0].score = bad
    else:
        found.diagnostics.terms[0].idf = bad
    given = verdict(found)
    assert reason(given) == "EVALUATOR_ERROR"
    assert given.confidence == 0
    assert [each.value for each in given.signals] == [1]


def test_a_kind_that_this_version_does_not_know_is_an_evaluator_error() -> None:
    page = evidence()
    page.kind = 77  # type: ignore[assignment]
    assert reason(verdict(pack(page))) == "EVALUATOR_ERROR"


def test_a_topic_for_people_is_restricted_whatever_the_evidence() -> None:
    question = "I will call my LAWYER: how many widgets can an Acme 3 hold?"
    given = verdict(pack(evidence(), question=question))
    assert reason(given) == "POLICY_RESTRICTED"
    assert next(each.note for each in given.signals if each.name == "policy_restricted") == "legal_dispute"
    # A part of a word is not the word.
    assert reason(verdict(pack(evidence()), question=QUESTION + " (unlawyerly)")) == "UNSPECIFIED"


def test_only_superseded_evidence_is_stale() -> None:
    given = verdict(pack(evidence(superseded=True)))
    assert reason(given) == "STALE_SOURCES"
    current = evidence(name="newer", score=0.84)
    assert reason(verdict(pack(evidence(superseded=True), current))) == "UNSPECIFIED"


def test_citing_superseded_evidence_is_stale() -> None:
    old, new = evidence(superseded=True), evidence(name="newer")
    assert reason(verdict(pack(new, old), quoting(old, ANSWER))) == "STALE_SOURCES"
    assert reason(verdict(pack(new, old), quoting(new, ANSWER))) == "UNSPECIFIED"


@pytest.mark.parametrize(("days", "expected"), [(0, "UNSPECIFIED"), (151, "UNSPECIFIED"), (150, "STALE_SOURCES")])
def test_age_counts_from_the_day_of_the_search(days: int, expected: str) -> None:
    policy = changed()
    policy.stale_after_days = days
    # Five months before the pack was made, less a day's margin in the middle case.
    assert reason(verdict(pack(evidence(updated="2026-01-01T00:00:00Z")), policy=policy)) == expected


def test_a_policy_that_asks_for_age_fails_what_has_no_date() -> None:
    policy = changed()
    policy.stale_after_days = 365
    page = evidence()
    page.ClearField("doc_updated_at")
    assert reason(verdict(pack(page), policy=policy)) == "STALE_SOURCES"


def test_two_current_sources_that_differ_are_a_conflict() -> None:
    one = evidence()
    two = evidence(
        "An Acme 3 holds a maximum of 60 widgets. Trays are sold apart.", name="other", title="Trays", score=0.8
    )
    given = verdict(pack(one, two))
    assert reason(given) == "CONFLICTING_SOURCES"
    assert [(each.sentence, each.other_sentence) for each in given.conflicts] == [
        ("An Acme 3 can hold up to 40 widgets.", "An Acme 3 holds a maximum of 60 widgets.")
    ]
    assert reason(verdict(pack(one, two), quoting(one, ANSWER))) == "CONFLICTING_SOURCES"


def test_a_superseded_page_conflicts_with_nobody() -> None:
    one = evidence()
    two = evidence("An Acme 3 holds a maximum of 60 widgets.", name="other", superseded=True, score=0.8)
    assert reason(verdict(pack(one, two))) == "UNSPECIFIED"


def test_a_conflict_beside_the_question_does_not_count() -> None:
    one = evidence(TEXT + " The red lamp on an Acme 3 blinks for 5 minutes.")
    two = evidence(
        "The red lamp on an Acme 3 blinks for 9 minutes.", name="lamps", title="Lamps", score=0.6, cosine=0.5
    )
    assert reason(verdict(pack(one, two), quoting(one, ANSWER))) == "UNSPECIFIED"
    lamps = quoting(one, "The red lamp on an Acme 3 blinks for 5 minutes.")
    assert reason(verdict(pack(one, two), lamps)) == "CONFLICTING_SOURCES"


def test_the_wrong_product_version_covers_nothing() -> None:
    two = evidence("An Acme 2 can hold up to 20 widgets.", title="Widgets in an Acme 2", version="2")
    given = verdict(pack(two))
    assert reason(given) == "INSUFFICIENT_COVERAGE"
    assert "product_version" in failed(given)
    three = evidence(name="three", version="3", score=0.8)
    assert reason(verdict(pack(two, three), quoting(three, ANSWER))) == "UNSPECIFIED"
    assert "product_version" in failed(verdict(pack(two, three), quoting(two, "An Acme 2 can hold up to 20 widgets.")))


def test_a_version_that_nothing_knows_covers_nothing() -> None:
    question = "How many widgets can an Acme 4 hold?"
    given = verdict(pack(evidence(version="3"), question=question))
    assert reason(given) == "INSUFFICIENT_COVERAGE"
    assert "product_version" in failed(given)


def test_versions_that_differ_need_the_version_named() -> None:
    two = evidence(
        "An Acme 2 can hold up to 20 widgets.", name="two", title="Widgets in an Acme 2", version="2", score=0.8
    )
    three = evidence("An Acme can hold up to 40 widgets.", title="Widgets in an Acme 3", version="3")
    given = verdict(pack(three, two, question="How many widgets can an Acme hold?"))
    assert reason(given) == "INSUFFICIENT_COVERAGE"
    assert failed(given) == {"product_version"}


def test_a_sentence_about_the_other_version_in_a_page_for_all_is_noticed() -> None:
    both = evidence("An Acme 2 can hold up to 20 widgets. An Acme 3 can hold up to 40 widgets.", title="Widgets")
    assert reason(verdict(pack(both), quoting(both, ANSWER))) == "UNSPECIFIED"
    wrong = verdict(pack(both), quoting(both, "An Acme 2 can hold up to 20 widgets."))
    assert (reason(wrong), failed(wrong)) == ("INSUFFICIENT_COVERAGE", {"product_version"})


def test_an_exact_name_must_stand_in_the_evidence() -> None:
    question = "What does E-8123 mean on an Acme 3?"
    near = evidence("E-8120 means that the tray of an Acme 3 is full.", title="E-8120 on an Acme 3")
    given = verdict(pack(near, question=question))
    assert reason(given) == "INSUFFICIENT_COVERAGE"
    assert "identifier_coverage" in failed(given)
    right = evidence("E 8123 means that the tray of an Acme 3 is full.", title="E 8123 on an Acme 3")
    assert reason(verdict(pack(right, question=question))) == "UNSPECIFIED"


def test_words_that_the_evidence_lacks_lower_the_coverage() -> None:
    question = "Can an Acme 3 be mounted outdoors on a terrace roof?"
    given = verdict(pack(evidence(score=0.45, cosine=0.4), question=question, unknown=("terrac", "outdoor", "roof")))
    assert reason(given) == "INSUFFICIENT_COVERAGE"
    assert {"coverage", "answerability"} <= failed(given)


def test_a_topic_that_needs_a_price_is_not_answered_without_one() -> None:
    question = "What is the price of an Acme 3 widget?"
    without = evidence("The price of an Acme 3 widget is listed elsewhere.", title="Price of Acme 3 widgets")
    given = verdict(pack(without, question=question))
    assert (reason(given), failed(given)) == ("INSUFFICIENT_COVERAGE", {"required_slots"})
    text = "The price of an Acme 3 widget is €12. A widget is blue."
    priced = evidence(text, title="Price of Acme 3 widgets")
    assert reason(verdict(pack(priced, question=question), quoting(priced, text[:38]))) == "UNSPECIFIED"
    assert failed(verdict(pack(priced, question=question), quoting(priced, "A widget is blue."))) >= {"required_slots"}


@pytest.mark.parametrize(
    "citations",
    [
        [],
        [Citation(chunk_id=chunk_id("elsewhere"), start=0, end=10)],
        [Citation(chunk_id=chunk_id("page"), start=0, end=10_000)],
        [Citation(chunk_id=chunk_id("page"), start=-1, end=4)],
        [Citation(chunk_id=chunk_id("page"), start=9, end=9)],
        [
            Citation(chunk_id=chunk_id("page"), start=0, end=len(ANSWER)),
            Citation(chunk_id=chunk_id("elsewhere"), start=0, end=10),
        ],
    ],
    ids=["none", "not in the pack", "beyond the text", "before it", "empty", "one of two forged"],
)
def test_a_claim_without_a_sound_citation(citations: list[Citation]) -> None:
    page = evidence()
    sound = (TEXT[37:], [cite(page, TEXT[37:])])
    given = verdict(pack(page), draft((ANSWER, citations), (ANSWER, [cite(page, ANSWER)]), sound))
    assert reason(given) == "MISSING_CITATIONS"


def test_evidence_that_was_changed_is_no_citation() -> None:
    page = evidence()
    page.text = page.text.replace("40", "90")
    assert reason(verdict(pack(page), quoting(page, "An Acme 3 can hold up to 90 widgets."))) == "MISSING_CITATIONS"


@pytest.mark.parametrize(
    "said",
    [
        "An Acme 3 can hold up to 50 widgets.",
        "An Acme 3 can not hold 40 widgets.",
        "An Acme 3 Deluxe can hold up to 40 widgets.",
        "An Acme 3 can hold 40 kg of widgets.",
        "The moon is made of green cheese and crackers.",
        "An Acme 3 with code E-4711 can hold up to 40 widgets.",
    ],
    ids=["number", "negation", "name", "unit", "invention", "identifier"],
)
def test_a_claim_that_says_more_than_its_source(said: str) -> None:
    page = evidence()
    given = verdict(pack(page), draft((ANSWER, [cite(page, ANSWER)]), (said, [cite(page, ANSWER)])))
    assert reason(given) == "UNSUPPORTED_CLAIM"
    assert [each.ok for each in given.supports] == [True, False]


@pytest.mark.parametrize(
    "said", ["It can hold up to 40 widgets.", "Up to forty widgets an Acme 3 can hold.", "1. " + ANSWER]
)
def test_the_same_in_other_words_is_supported(said: str) -> None:
    page = evidence()
    assert reason(verdict(pack(page), draft((said, [cite(page, ANSWER)])))) == "UNSPECIFIED"


def test_an_approved_record_needs_only_its_match() -> None:
    record = evidence("Welcome! Ask me anything.", title="Greeting", record=True, score=0.3, cosine=0.9)
    found = pack(record, question="hello there")
    quoted = quoting(record, record.text)
    assert reason(verdict(found)) == reason(verdict(found, quoted)) == "UNSPECIFIED"
    assert verdict(found, quoted).confidence == pytest.approx(0.6)
    # Worded anew, it is a claim like any other.
    assert reason(verdict(found, draft(("Welcome! Ask nothing.", quoted.claims[0].citations)))) != "UNSPECIFIED"
    record.signals[0].score = 0.4
    assert reason(verdict(pack(record, question="hello there"), quoted)) == "INSUFFICIENT_COVERAGE"


def test_the_precedence_is_the_contracts() -> None:
    proto = Path(__file__).parents[3] / "proto/groundline/evaluation/v1/reason_code.proto"
    said = re.search(r"precedence, which\s+// is: ([A-Z_,\s/]+)\.", proto.read_text(encoding="utf-8"))
    assert said is not None
    names = re.findall(r"[A-Z_]{3,}", said[1])
    assert [f"REASON_CODE_{name}" for name in names] == [codes.ReasonCode.Name(each) for each in PRECEDENCE]
    assert len(names) == len(codes.ReasonCode.values()) - 1


def test_the_first_reason_by_precedence_is_given() -> None:
    """All at once, then one cause after another removed."""
    page = evidence(superseded=True)
    rival = evidence("An Acme 3 holds a maximum of 60 widgets.", name="rival", score=0.8)
    third = evidence("An Acme 3 can hold up to 40 widgets.", name="third", score=0.8)
    restricted = QUESTION + " My lawyer wants to know about E-9999."
    unsupported = ("An Acme 3 can hold up to 50 widgets.", [cite(page, ANSWER)])
    uncited: tuple[str, list[Citation]] = (ANSWER, [])

    def given(question: str, *claims: tuple[str, list[Citation]], stale: bool = True, conflict: bool = True) -> str:
        page.ClearField("superseded_by_doc_id")
        if stale:
            page.superseded_by_doc_id = chunk_id("newer")
        passages = [page, third, *([rival] if conflict else [])]
        found = pack(*passages, question=question)
        return reason(verdict(found, draft(*claims)))

    blank: tuple[str, list[Citation]] = ("", [])
    third_claim = (ANSWER, [cite(third, ANSWER)])
    everything = (third_claim, unsupported, uncited)
    assert given(restricted, *everything, blank) == "LLM_ERROR"
    assert given(restricted, *everything) == "POLICY_RESTRICTED"
    asked = restricted.replace("lawyer", "uncle")
    assert given(asked, *everything) == "STALE_SOURCES"
    assert given(asked, *everything, stale=False) == "CONFLICTING_SOURCES"
    assert given(asked, *everything, stale=False, conflict=False) == "INSUFFICIENT_COVERAGE"
    assert given(QUESTION, *everything, stale=False, conflict=False) == "MISSING_CITATIONS"
    assert given(QUESTION, third_claim, unsupported, stale=False, conflict=False) == "UNSUPPORTED_CLAIM"
    assert given(QUESTION, third_claim, stale=False, conflict=False) == "UNSPECIFIED"


def test_no_evidence_comes_before_staleness() -> None:
    page = evidence(superseded=True)
    assert reason(verdict(pack(page), quoting(page, ANSWER), policy=changed(retrieval_top_score=0.99))) == "NO_EVIDENCE"


def test_every_signal_of_the_catalogue_can_fail_a_verdict() -> None:
    """No signal is decoration: with a threshold out of reach, each gives its reason."""
    page = evidence()
    record = evidence("Welcome!", name="record", title="Greeting", record=True, score=0.3, cosine=0.9)
    for name, kind in CATALOGUE.items():
        policy = changed(**{name: 1e9 if kind.at_least else -1.0})
        if name == "record_match":
            given = verdict(pack(record, question="hello"), quoting(record, "Welcome!"), policy=policy)
        elif name in OPINIONS:
            said = ClaimOpinion(claim_index=0, entailment=0.9, neutral=0.1)
            opinion = SecondOpinion(model="reader", claims=[said], answers_question=0.9)
            given = judge(QUESTION, pack(page), quoting(page, ANSWER), policy, opinion)
        else:
            given = verdict(pack(page), quoting(page, ANSWER), policy=policy)
        assert given.decision == DECISION_FAIL, name
        assert given.reason == kind.reason, name
