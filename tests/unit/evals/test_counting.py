import math
from dataclasses import replace

import pytest

from evals.conversations import Asked, Outcome, tally
from evals.grounding import support_of
from evals.page import to_markdown
from evals.refusal import RefusalFigures, gold_recall
from evals.report import blocks
from evals.sets import LabelledClaim, Query
from evals.summary import plain
from evals.turns import Turn
from groundline.evaluation.v1.evaluation_pb2 import Verdict
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from svc_evaluator.policy_files import SHIPPED, Policies

REFUSED = Turn("", "NO_EVIDENCE", 0.1, (), ("a.md",), None, Verdict(), EvidencePack())
ANSWERED = replace(REFUSED, answer="Hold it for 12  seconds.", reason="", confidence=0.9, cited=("a.md",))
ASKED = Asked("How long?", "answer", "a.md", ("12 seconds",), ("public",), "")


@pytest.mark.parametrize(
    ("asked", "turn", "kind"),
    [
        (ASKED, ANSWERED, "answered"),
        (ASKED, REFUSED, "over_refused"),
        (ASKED, replace(ANSWERED, answer="Hold it."), "wrongly_answered"),
        (replace(ASKED, expect="refuse"), REFUSED, "refused"),
        (replace(ASKED, expect="refuse"), ANSWERED, "wrongly_answered"),
        (replace(ASKED, expect="conflict"), ANSWERED, "wrongly_answered"),
        (replace(ASKED, expect="refuse", forbidden_doc="a.md"), REFUSED, "wrongly_answered"),
    ],
)
def test_what_becomes_of_a_question(asked: Asked, turn: Turn, kind: str) -> None:
    assert Outcome(asked, turn).kind == kind


def test_reasons_are_counted_with_their_precision() -> None:
    conflict = replace(REFUSED, reason="CONFLICTING_SOURCES")
    found = tally(
        [
            Outcome(replace(ASKED, expect="conflict"), conflict),
            Outcome(ASKED, conflict),
            Outcome(replace(ASKED, expect="refuse"), REFUSED),
        ]
    )
    assert found["reasons"]["CONFLICTING_SOURCES"]["precision"].value == 0.5
    assert found["reasons"]["CONFLICTING_SOURCES"]["recall"].value == 1
    assert found["reasons"]["NO_EVIDENCE"]["precision"].value == 1


def test_wrong_is_what_cannot_be_answered_or_comes_from_another_page() -> None:
    figures = RefusalFigures()
    gains = {"a.md": 1.0}
    figures.count(Query("1", "?", True), ANSWERED, {"a.md"}, gains, ["12 seconds"])
    figures.count(Query("2", "?", True), ANSWERED, {"b.md"}, gains, [])
    figures.count(Query("3", "?", False), ANSWERED, {"a.md"}, {}, [])
    figures.count(Query("4", "?", False), REFUSED, set(), {}, [])
    counts = figures.counts()
    assert (counts["answered"], counts["wrongly_answered"]) == (3, 2)
    assert (counts["answered_though_unanswerable"], counts["answered_from_another_page"]) == (1, 1)
    assert figures.figures()["refusal_recall"].value == 0.5
    assert figures.figures()["auroc"].value == 0.75


def test_no_refusal_is_right_where_all_can_be_answered() -> None:
    figures = RefusalFigures()
    figures.count(Query("1", "?", True), REFUSED, set(), {}, [])
    assert math.isnan(figures.figures()["refusal_precision"].value)


def test_gold_recall_takes_the_answer_that_fits_best() -> None:
    assert gold_recall("Hold it for 12 seconds.", ["20 seconds", "12 Seconds"]) == 1
    assert gold_recall("Hold it.", []) == 0


def test_a_claim_is_held_against_all_of_its_evidence() -> None:
    policy = Policies.from_folders(SHIPPED).get()
    claim = LabelledClaim(
        "1", "", "The gateway restarts at noon.", ("Nothing here.", "The gateway restarts at noon."), True
    )
    assert support_of(claim, policy) == 1
    assert support_of(replace(claim, answer="Penguins swim in Iceland."), policy) < 0.5


def test_the_report_says_what_was_skipped() -> None:
    found = {"sample": 1, "part": "test", "sets": [], "skipped": ["squad2"], "config": {"seed": 1}}
    assert "squad2" in to_markdown("R", blocks(plain(found)))
