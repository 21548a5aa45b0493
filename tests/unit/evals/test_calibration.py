"""The parts of a calibration that need no mesh: questions, kin, the fit, the threshold and the policy."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from google.protobuf import json_format

from evals.calibration.fitting import Logistic, fit
from evals.calibration.kinship import Kinship
from evals.calibration.operating import (
    LEAST,
    MOST,
    Kind,
    Outcome,
    Part,
    Targets,
    choose_threshold,
    figures,
)
from evals.calibration.policy import conclude, like, logistic, refit
from evals.calibration.questions import STYLES, Page, Passage, Question, questions, unrelated
from groundline.evaluation.v1.evaluation_pb2 import Policy
from svc_evaluator.policy_files import SHIPPED, Policies, check_policy

DEFAULT = Policies.from_folders(SHIPPED).get()
START = Logistic((3.0, 1.0, 1.0), -2.0)


def synthetic(count: int, true: Logistic, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    features = draw.random((count, 3))
    return features, (draw.random(count) < true.scores(features)).astype(float)


def test_many_cases_move_the_weights_and_few_do_not() -> None:
    true = Logistic((0.5, 6.0, 1.0), -3.0)
    many, few = (fit(*synthetic(count, true), START) for count in (20_000, 20))
    assert many.weights == pytest.approx(true.weights, abs=0.5)
    assert few.weights == pytest.approx(START.weights, abs=1.0)
    assert fit(*synthetic(400, true), START) == fit(*synthetic(400, true), START)


def test_no_weight_becomes_negative() -> None:
    features, labels = synthetic(5_000, Logistic((4.0, -5.0, 0.0), 0.0))
    assert min(fit(features, labels, START).weights) == 0.0


def test_what_never_varies_keeps_its_weight() -> None:
    features, labels = synthetic(500, Logistic((4.0, 1.0, 1.0), -3.0))
    features[:, 2] = 0.5
    assert fit(features, labels, START).weights[2] == START.weights[2]


def test_one_label_is_nothing_to_fit_to() -> None:
    with pytest.raises(ValueError, match="both labels"):
        fit(np.ones((3, 3)), np.ones(3), START)


PAGES = [
    Page(
        f"d{number}",
        f"reset a gateway|{number}",
        f"Reset gateway model {name}",
        (
            Passage(
                ("Reset with the button",),
                f"The {name} reset button must be held for {number + 9} seconds to erase it.",
            ),
            Passage(("What is kept",), f"All {name} firewall rules are erased unless a backup was stored before."),
        ),
    )
    for number, name in enumerate(("Alder", "Birch", "Cedar", "Dogwood"))
]


def test_questions_are_the_same_for_the_same_pages_and_of_several_styles() -> None:
    made = questions(PAGES, 24, 1)
    assert made == questions(PAGES, 24, 1) != questions(PAGES, 24, 2)
    assert {each.style for each in made} == set(STYLES)
    assert {each.page for each in made} == set(PAGES)
    assert len({each.text.casefold() for each in made}) == len(made) <= 24
    assert any(each.text == "Must the Alder reset button be held for 9 seconds to erase it?" for each in made)


def test_unrelated_questions_are_of_no_page() -> None:
    made = unrelated()
    assert len(made) >= 80
    assert all(each.page is None for each in made)


def test_copies_and_other_versions_go_with_their_page() -> None:
    kinship = Kinship(PAGES)
    question = Question(
        "?", "inverted", PAGES[0], "All Alder firewall rules are erased unless a backup was stored before."
    )
    told = PAGES[0].passages[0].text
    assert kinship.tells_the_same(question, "Mirror", told)
    assert kinship.tells_the_same(question, "Reset gateway model Alder 2", "Nothing alike.")
    assert kinship.tells_the_same(
        question, "Note", "Unless stored in a backup before, all firewall rules of an Alder are erased."
    )
    assert not kinship.tells_the_same(question, "Cables", "A cable may be ten metres long.")


def outcomes(kind: Kind, scores: list[float], part: Part = Part.CHOOSE) -> list[Outcome]:
    return [Outcome(kind, part, score, others=True) for score in scores]


def test_the_threshold_is_the_least_that_keeps_to_both_targets() -> None:
    removed = outcomes(Kind.REMOVED, [number / 100 for number in range(100)])
    threshold, kept = choose_threshold(removed, Targets(removed=0.2, unrelated=0.01))
    assert (round(threshold, 3), kept) == (0.791, True)
    assert figures(removed, threshold).wrongly_removed == 0.2
    stricter = [*removed, *outcomes(Kind.UNRELATED, [0.795] * 10)]
    assert choose_threshold(stricter, Targets(removed=0.2, unrelated=0.01))[0] == pytest.approx(0.796)
    assert choose_threshold(outcomes(Kind.REMOVED, [0.99] * 10), Targets()) == (MOST, False)
    assert choose_threshold([], Targets()) == (LEAST, True)


def test_a_case_that_another_signal_stops_is_not_answered() -> None:
    stopped = [Outcome(Kind.REMOVED, Part.CHOOSE, 0.9, others=False)] * 10
    assert choose_threshold(stopped, Targets()) == (LEAST, True)
    assert figures(stopped, LEAST).wrongly_removed == 0.0


def test_where_nothing_could_be_weighed_counts_as_refused_and_ranks_nothing() -> None:
    nothing = [Outcome(Kind.PRESENT, Part.REPORT, 0.0, others=False)] * 2
    found = figures([*outcomes(Kind.PRESENT, [0.9, 0.8]), *nothing, *outcomes(Kind.REMOVED, [0.1])], 0.6)
    assert (found.answered, found.auroc) == (0.5, 1.0)


def test_figures_count_and_say_what_they_could_not() -> None:
    found = figures([*outcomes(Kind.PRESENT, [0.9, 0.7, 0.3]), *outcomes(Kind.REMOVED, [0.8, 0.1])], 0.6)
    assert (found.n, found.answered, found.wrongly_removed) == (5, 2 / 3, 0.5)
    assert found.auroc == pytest.approx(4 / 6)
    assert math.isnan(found.wrongly_unrelated)
    assert sum(each.n for each in found.reliability) == 5


def test_the_policy_differs_only_where_it_was_calibrated_and_can_be_gone_by() -> None:
    names, start = logistic(DEFAULT)
    draw = np.random.default_rng(5)
    values = [dict(zip(names, draw.random(len(names)), strict=True)) for _ in range(60)]
    labels = [each["coverage"] > 0.5 for each in values]
    refitted = refit(DEFAULT, DEFAULT, values, labels)
    assert logistic(refitted)[1] != start
    assert like(refitted, DEFAULT) == DEFAULT
    cases = [
        Outcome(kind, part, score, others=True)
        for part in Part
        for kind, score in ((Kind.PRESENT, 0.8), (Kind.REMOVED, 0.5), (Kind.UNRELATED, 0.1))
    ]
    found = conclude(
        refitted,
        DEFAULT,
        cases,
        cases,
        knowledge_base="routers",
        targets=Targets(),
        at=datetime(2026, 11, 22, 18, 5, 9, tzinfo=UTC),
        refitted=True,
        counts={"pages": 30},
    )
    made = found.policy
    assert made.version.startswith("2026-11-22-180509-routers-")
    assert made.knowledge_base == "routers"
    assert (found.threshold, found.after.answered, found.after.wrongly_removed) == (0.501, 1.0, 0.0)
    assert "AUROC" in made.description
    again = json_format.Parse(json_format.MessageToJson(check_policy(made)), Policy())
    assert again == made
    assert found.to_json()["held_out"]["default"]["answered"] == 1.0
    # Nothing else is touched: thresholds of other signals, topics, age.
    before = {each.name: each.threshold for each in DEFAULT.thresholds if each.name != "answerability"}
    assert before == {each.name: each.threshold for each in made.thresholds if each.name != "answerability"}
    assert made.topics == DEFAULT.topics
