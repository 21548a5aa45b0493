"""The report: what it compares, and that its page can be read by anybody and does nothing."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from evals import charts, comparison, metrics
from evals.charts import Bar, Series
from evals.page import Heading, Items, Table, Text, to_html, to_markdown
from evals.report import TITLE, blocks


def measured(ndcg: float, width: float = 0.02) -> dict[str, Any]:
    interval = [ndcg - width, ndcg + width]
    names = ("ndcg_at_10", "hit_at_1", "hit_at_5", "recall_at_20", "auroc", "refusal_precision", "refusal_recall")
    gate = {
        "answered": 6,
        "answered_though_unanswerable": 2,
        "answered_from_another_page": 1,
        "over_refusal": 0.1,
        "gold_recall": 0.9,
        "gold_contained": 0.8,
        "by_reason": {"NO_EVIDENCE": {"given": 2, "precision": None, "recall": None}},
        "reliability": [[0.2, 0.3, 5], [0.8, 0.7, 5]],
        "risk_coverage": [[(n + 1) / 20, 0.2] for n in range(20)],
    }
    figure = {"value": 0.9, "ci95": [0.8, 0.95], "n": 4}
    return {
        "set": "<b>one</b>",
        "n": {"judged_queries": 10, "answerable": 6, "unanswerable": 4},
        **dict.fromkeys(names, ndcg),
        "ci95": {**dict.fromkeys(names, interval), "over_refusal": [0.05, 0.15]},
        "legs_ndcg_at_10": {"lexical": 0.7, "vector": 0.6},
        "gate": gate,
        "confidence": {
            "auroc_removed": figure,
            "auroc_near": figure,
            "ece": 0.123,
            "wrong_among_surest": {"10": 0.0, "100": 0.456},
            "passed": dict.fromkeys(("present", "removed", "near"), figure),
        },
        "grounding": {
            "claims": 4,
            "auroc": figure,
            "balanced_accuracy": figure,
            "threshold": 0.5,
            "passes_though_unsupported": figure,
            "roc": [[0.0, 0.0], [0.5, 0.9], [1.0, 1.0]],
        },
    }


def a_run(ndcg: float) -> dict[str, Any]:
    samples = {
        "questions": 2, "answerable": 1, "answered": 0, "refused": 1, "over_refused": 0, "wrongly_answered": 1,
        "page_found_first": None, "reasons": {}, "over_refusals": [],
        "wrong": [{"question": "<script>alert(1)</script>", "expect": "answer", "doc": "a.md", "answer": "& so"}],
    }  # fmt: skip
    return {"part": "test", "sample": 9, "sets": [measured(ndcg)], "skipped": ["two"], "samples": samples,
            "config": {"seed": 1}}  # fmt: skip


@pytest.mark.parametrize(
    ("now", "verdict"), [(0.9, "within noise"), (0.92, "within noise"), (0.95, "better"), (0.8, "worse")]
)
def test_what_moved_is_told_from_noise(now: float, verdict: str) -> None:
    moved = list(comparison.compare(comparison.kept(a_run(0.9)), a_run(now)))
    assert {each.verdict for each in moved if each.figure == "ndcg_at_10"} == {verdict}
    assert len(moved) == 8


def test_less_over_refusal_is_better() -> None:
    now = a_run(0.9)
    now["sets"][0]["gate"]["over_refusal"] = 0.0
    now["sets"][0]["ci95"]["over_refusal"] = [0.0, 0.01]
    moved = {each.figure: each.verdict for each in comparison.compare(comparison.kept(a_run(0.9)), now)}
    assert moved["over_refusal"] == "better"


def test_other_questions_are_not_compared() -> None:
    before = comparison.kept(a_run(0.9)) | {"sample": 5}
    assert "nothing is compared" in to_markdown(TITLE, blocks(a_run(0.9), before))


def test_the_page_stands_alone_and_what_was_measured_is_text_in_it() -> None:
    page = to_html(TITLE, blocks(a_run(0.9), comparison.kept(a_run(0.8))))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<b>one" not in page
    # It is well-formed but for the void elements of its head.
    tree = ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])
    assert len(tree.findall(".//svg")) == 4
    assert all(each.get("role") == "img" and each.get("aria-label") for each in tree.iter("svg"))
    tables = list(tree.iter("table"))
    assert len(tables) >= 6
    assert all(each.find("caption") is not None for each in tables)
    assert all(each.get("scope") for each in tree.iter("th"))
    anchors = {each.get("href", "")[1:] for each in tree.iter("a")}
    assert anchors <= {each.get("id") for each in tree.iter()}
    # Said beside the wrong answers' number, which must be zero: whose they are.
    assert "Wrongly answered: 1. It must be 0." in page


def test_series_differ_by_more_than_colour() -> None:
    chart = charts.lines("C", "told", [Series(name, [(0, 0), (1, 1)]) for name in "ab"], "x", "y", even="up")
    paths = [each for each in ElementTree.fromstring(chart.svg).iter("path") if "line" in (each.get("class") or "")]
    assert len({each.get("stroke-dasharray") for each in paths}) == 2
    marks = {each.get("d", "").split("m", 1)[1] for each in ElementTree.fromstring(chart.svg).iter("path")
             if "mark" in (each.get("class") or "")}  # fmt: skip
    assert len(marks) == 2
    assert "told" in charts.dots("C", "told", [Bar("a", 0.9, 0.8, 1.0, [("b", 0.1)])], 0.4).svg


def test_markdown_says_the_same() -> None:
    said = to_markdown(
        "T", [Heading("H"), Text("t", important=True), Table("C", ("a", "b"), [["1|2", "3"]]), Items(["i"])]
    )
    assert said == "# T\n\n## H\n\n**t**\n\nC:\n\n| a | b |\n| --- | --- |\n| 1\\|2 | 3 |\n\n- i\n"


def test_reliability_and_roc() -> None:
    assert metrics.reliability([0.9, 0.1, 0.2, 0.8], [True, False, False, True], bins=2) == [
        (pytest.approx(0.15), 0.0, 2),
        (pytest.approx(0.85), 1.0, 2),
    ]
    assert metrics.roc(np.array([0.9, 0.8]), np.array([0.1])) == [(0, 0), (0, 0.5), (0, 1), (1, 1)]
    assert metrics.roc(np.array([]), np.array([0.1])) == []
