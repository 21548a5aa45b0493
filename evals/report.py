"""What the report says, from the same object that is written as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evals import charts, comparison
from evals.charts import Bar, Series
from evals.page import Block, Heading, Items, Table, Text

Object = Mapping[str, Any]

TITLE = "Quality report"
GOALS = {"stackfaq": 0.98, "covidfaq": 0.76, "squad2": 0.92, "clapnq": 0.988}
RETRIEVAL = ("ndcg_at_10", "hit_at_1", "hit_at_5", "recall_at_20")


def blocks(found: Object, before: Object | None = None) -> list[Block]:
    """The whole report; `before` is a run that was kept, to compare with."""
    said: list[Block] = [*_method(found), *_samples(found.get("samples"))]
    sets = [each for each in found["sets"] if each["n"]["judged_queries"]]
    said += [*_retrieval(sets), *_gate([each for each in found["sets"] if "gate" in each])]
    said += _confidence([each for each in found["sets"] if "confidence" in each])
    said += [*_claims([each for each in found["sets"] if each.get("grounding")]), *_conflicts(found.get("conflicts"))]
    said += _test_half([each["test"] for each in found["sets"] if "test" in each])
    said += _comparison(found, before)
    if found["skipped"]:
        said.append(Text("Skipped, for their folders are not there: " + ", ".join(found["skipped"]), important=True))
    remarks = [f"{each['set']}: {remark}" for each in found["sets"] for remark in each.get("remarks", ())]
    if remarks:
        said += [Text("Of the folders' content, left out or taken otherwise:"), Items(remarks)]
    said.append(Text("Configuration: " + ", ".join(f"{name} {value}" for name, value in found["config"].items())))
    return said


def _method(found: Object) -> Iterator[Block]:
    yield Text(
        "Each set's documents go through the worker's own ingestion into a database of their own, its questions "
        "through retrieval's own search, and what was found through the gate and the extractive answerer as in a turn. "
        f"Of each set at most {found['sample'] or 'all'} questions are asked, drawn with a fixed seed. Intervals are "
        "95% bootstrap intervals."
    )
    reported = f"the half {found['part']}" if found["part"] else "both halves, dev among them"
    yield Text(
        "Tuning and reporting are disjoint: a digest of a question's id puts it in dev or test; weights and thresholds "
        f"were chosen on dev. The tables are of {reported}.",
        important=True,
    )


def _samples(found: Object | None) -> Iterator[Block]:
    if not found:
        return
    yield Heading("Whole conversations on samples/")
    wrong = found["wrongly_answered"]
    yield Text(
        f"Wrongly answered: {wrong}. It must be 0." + ("" if wrong else " It is."),
        important=True,
    )
    yield Table(
        "What became of each question",
        ("questions", "answered correctly", "correctly refused", "over-refused", "wrongly answered",
         "page found first", "nDCG@10"),
        [
            [
                str(found["questions"]),
                f"{found['answered']} of {found['answerable']}",
                f"{found['refused']} of {found['questions'] - found['answerable']}",
                str(found["over_refused"]),
                str(wrong),
                figure(found["page_found_first"]),
                figure(found.get("ndcg_at_10")),
            ]
        ],
    )  # fmt: skip
    yield Table(
        "Refusals by reason: precision, and recall where the questions say which reason it must be",
        ("reason", "given", "precision", "recall"),
        [
            [name, str(row["given"]), figure(row["precision"]), figure(row.get("recall"))]
            for name, row in found["reasons"].items()
        ],
    )
    if found["wrong"]:
        yield Text("Answered wrongly (the answer lacks what it must contain, or there should be none), each by name:")
        yield Items([_named(each) for each in found["wrong"]])
    if found["over_refusals"]:
        yield Text("Refused though it can be answered:")
        yield Items(
            [
                f"“{each['question']}” ({each['reason'] or 'notice'}: {', '.join(each['failed_signals']) or '–'})"
                for each in found["over_refusals"]
            ]
        )


def _named(wrong: Object) -> str:
    return f"“{wrong['question']}” (expected: {wrong['expect']} from {wrong['doc'] or 'no page'}) → “{wrong['answer']}”"


def _retrieval(sets: Sequence[Object]) -> Iterator[Block]:
    if not sets:
        return
    yield Heading("Retrieval")
    yield _ranking_table(sets)
    below = [each["set"] for each in sets if each["ndcg_at_10"] < max(each["legs_ndcg_at_10"].values())]
    missed = [each["set"] for each in sets if each["ndcg_at_10"] < GOALS.get(each["set"], 0.0)]
    verdict = (
        f"Below their better leg: {', '.join(below) or 'none'}. "
        f"Below the goal for the whole set: {', '.join(missed) or 'none'}."
    )
    yield Text(verdict)
    bars = [
        Bar(
            each["set"],
            each["ndcg_at_10"],
            each["ci95"]["ndcg_at_10"][0],
            each["ci95"]["ndcg_at_10"][1],
            [
                ("words alone", each["legs_ndcg_at_10"].get("lexical", 0.0)),
                ("meaning alone", each["legs_ndcg_at_10"].get("vector", 0.0)),
            ],
        )
        for each in sets
    ]
    yield charts.dots("nDCG@10 by set", verdict, bars, 0.4)


def _ranking_table(sets: Sequence[Object]) -> Table:
    rows = []
    for each in sets:
        legs = each["legs_ndcg_at_10"]
        goal = GOALS.get(each["set"])
        intervals = [with_interval(each, key) for key in RETRIEVAL]
        legs_said = [number(legs.get(leg)) for leg in ("lexical", "vector")]
        rows.append([each["set"], str(each["n"]["judged_queries"]), *intervals, *legs_said, number(goal)])
    return Table(
        "Ranking of pages, with 95% intervals",
        ("set", "n", "nDCG@10", "hit@1", "hit@5", "recall@20", "words alone", "meaning alone", "goal"),
        rows,
    )


def _gate(sets: Sequence[Object]) -> Iterator[Block]:
    if not sets:
        return
    yield Heading("The gate on public questions")
    yield _gate_table(sets)
    yield Table(
        "By reason: which share of its refusals was right, and which share of all that must be refused it took. "
        "The sets don't say which reason would be the right one; samples/ does",
        ("set and reason", "given", "precision", "recall"),
        [
            [f"{each['set']}: {reason}", str(row["given"]), figure(row["precision"]), figure(row["recall"])]
            for each in sets
            for reason, row in each["gate"].get("by_reason", {}).items()
        ],
    )
    both = [each for each in sets if each["n"]["unanswerable"] and each["n"]["answerable"]]
    if both:
        risk = [Series(each["set"], each["gate"]["risk_coverage"]) for each in both]
        told = "; ".join(
            f"{each['set']}: of the surest half {_at(each, 9):.0%} can't be answered, of all {_at(each, 19):.0%}"
            for each in both
            if len(each["gate"]["risk_coverage"]) == 20
        )
        yield charts.lines(
            "Risk and coverage, by the gate's confidence before the draft",
            told + ". Lower is better.",
            risk,
            "share of questions answered, surest first",
            "of those, share that can't be",
        )
        sure = [Series(each["set"], [row[:2] for row in each["gate"]["reliability"]]) for each in both]
        told = "; ".join(
            f"{each['set']}: on average {_miss(each):.2f} away from the share that can be answered" for each in both
        )
        yield charts.lines(
            "Reliability of the gate's confidence, a tenth of the questions a point",
            told + ". On the dotted diagonal confidence would be the share.",
            sure,
            "mean confidence",
            "share that can be answered",
            even="up",
        )
    gold = [each for each in sets if each["gate"].get("gold_recall") is not None]
    if gold:
        yield Heading("Extractive answers")
        yield Table(
            "Of what was answered and can be: the right answer's words in the answer, and the right answer as it is",
            ("set", "words of it", "contained"),
            [[each["set"], *(_gate_figure(each, name) for name in ("gold_recall", "gold_contained"))] for each in gold],
        )


def _gate_table(sets: Sequence[Object]) -> Table:
    return Table(
        "Refusing, and what was answered",
        ("set", "answerable / not", "AUROC", "refusal precision", "refusal recall", "over-refusal", "answered",
         "though unanswerable", "from another page"),
        [
            [
                each["set"],
                f"{each['n']['answerable']} / {each['n']['unanswerable']}",
                *(with_interval(each, key) for key in ("auroc", "refusal_precision", "refusal_recall")),
                _gate_figure(each, "over_refusal"),
                *(str(each["gate"][name]) for name in
                  ("answered", "answered_though_unanswerable", "answered_from_another_page")),
            ]
            for each in sets
        ],
    )  # fmt: skip


def _confidence(sets: Sequence[Object]) -> Iterator[Block]:
    if not sets:
        return
    yield Heading("The gate's confidence, before a draft")
    yield _confidence_table(sets)


def _confidence_table(sets: Sequence[Object]) -> Table:
    return Table(
        "An answerable question is judged with its page found, and as if its pages were not there; the others are near "
        "misses",
        ("set", "AUROC, page removed", "AUROC, near misses", "ECE, 5 bins", "wrong of the surest 10 / 30 / 50 % / all",
         "let through: present", "removed", "near misses"),
        [
            [
                each["set"],
                *(figure(each["confidence"][name]) for name in ("auroc_removed", "auroc_near")),
                number(each["confidence"]["ece"]),
                " / ".join(f"{value:.2f}" for value in each["confidence"]["wrong_among_surest"].values()),
                *(figure(each["confidence"]["passed"][kind]) for kind in ("present", "removed", "near")),
            ]
            for each in sets
        ],
    )  # fmt: skip


def _test_half(sets: Sequence[Object]) -> Iterator[Block]:
    """Where both halves were asked: what of it is of questions that nothing was tuned on."""
    if not sets:
        return
    yield Heading("The half test alone")
    judged = [each for each in sets if each["n"]["judged_queries"]]
    if judged:
        yield _ranking_table(judged)
    gated = [each for each in sets if "gate" in each]
    if gated:
        yield _gate_table(gated)
        yield _confidence_table(gated)
    claims = [each for each in sets if each.get("grounding")]
    if claims:
        yield _claims_table(claims)


def _at(each: Object, index: int) -> float:
    return float(each["gate"]["risk_coverage"][index][1])


def _miss(each: Object) -> float:
    rows = each["gate"]["reliability"]
    return float(sum(abs(sure - share) * n for sure, share, n in rows) / sum(n for *_, n in rows))


def _claims(sets: Sequence[Object]) -> Iterator[Block]:
    if not sets:
        return
    yield Heading("Grounding of claims")
    yield _claims_table(sets)
    yield charts.lines(
        "ROC of a claim's support",
        "; ".join(f"{each['set']}: area {number(each['grounding']['auroc']['value'])}" for each in sets)
        + ". On the dotted diagonal it would be chance.",
        [Series(each["set"], each["grounding"]["roc"]) for each in sets if each["grounding"].get("roc")],
        "unsupported claims that pass",
        "supported claims that pass",
        even="up",
    )


def _claims_table(sets: Sequence[Object]) -> Table:
    rows = []
    for each in sets:
        one = each["grounding"]
        tuned = one.get("tuned")
        rows.append(
            [
                each["set"],
                str(one["claims"]),
                figure(one["auroc"]),
                f"{figure(one['balanced_accuracy'])} at {one['threshold']:.2f}",
                figure(one["passes_though_unsupported"]),
                f"{figure(tuned['balanced_accuracy'])} at {tuned['threshold']:.2f}" if tuned else "–",
            ]
        )
    return Table(
        "Sentences that their evidence supports, told from those that it does not",
        ("set", "claims", "AUROC", "balanced accuracy as shipped", "passes though unsupported",
         "balanced accuracy, threshold from dev"),
        rows,
    )  # fmt: skip


def _conflicts(found: Object | None) -> Iterator[Block]:
    if not found:
        return
    yield Heading("Conflicts")
    mined = [found[f"mined_{kind}"] | {"kind": kind} for kind in ("number", "negation")]
    seen = ", ".join(f"{each['seen']} of {each['pairs']} by {each['kind']}" for each in mined)
    yield Text(
        f"{found['false_alarms']} false alarms in {found['pairs']} pairs that agree. Seen of mined pairs: {seen}."
    )
    yield Table(
        "Copies of sentences, changed in what they say or, where that is harmless, only in how: seen as conflicts",
        ("change", "copies", "seen", "by policies before 2026-11-25.2"),
        [
            [kind, str(row["copies"]), figure(row["share"]), figure(found["made_before"][kind]["share"])]
            for kind, row in found["made"].items()
        ],
    )


def _comparison(found: Object, before: Object | None) -> Iterator[Block]:
    yield Heading("Against the stored baseline")
    if before is None:
        yield Text("There is no stored run to compare with.")
        return
    if (before["part"], before["sample"]) != (found["part"], found["sample"]):
        yield Text(
            "The stored run asked other questions (another half or sample): nothing is compared.", important=True
        )
        return
    moved = list(comparison.compare(before, found))
    beyond = [each for each in moved if each.verdict != "within noise"]
    yield Text(
        f"{len(moved)} figures compared: {sum(each.verdict == 'better' for each in beyond)} better and "
        f"{sum(each.verdict == 'worse' for each in beyond)} worse beyond noise. The intervals are taken as of "
        "different questions, so that a small change may be missed, and none is cried that is not there."
    )
    yield Table(
        "What moved",
        ("set and figure", "stored", "now", "change", "verdict"),
        [
            [f"{each.set_name}: {each.figure}", number(each.before), number(each.now), f"{each.now - each.before:+.3f}",
             each.verdict]
            for each in sorted(moved, key=lambda each: (each.verdict == "within noise", each.set_name))
            if abs(each.now - each.before) >= 0.0005
        ],
    )  # fmt: skip
    now, old = comparison.kept(found)["samples"], before.get("samples") or {}
    if now and old:
        yield Text(
            "On samples/: " + ", ".join(f"{name} {old.get(name)} → {value}" for name, value in now.items()) + "."
        )
    changed = [
        f"{name}: {before['config'].get(name)} → {value}"
        for name, value in found["config"].items()
        if before["config"].get(name) != value
    ]
    if changed:
        yield Text("Configured otherwise than then: " + "; ".join(changed) + ".")


def _gate_figure(found: Object, name: str) -> str:
    value, interval = found["gate"].get(name), found["ci95"].get(name)
    return number(value) + (f" ({number(interval[0])}–{number(interval[1])})" if value is not None and interval else "")


def with_interval(found: Object, name: str) -> str:
    """A figure of a set with its interval."""
    if found.get(name) is None:
        return "–"
    low, high = found["ci95"][name]
    return f"{number(found[name])} ({number(low)}–{number(high)})"


def figure(found: Object | None) -> str:
    """A figure with its interval."""
    if found is None or found["value"] is None:
        return "–"
    low, high = found["ci95"]
    return f"{number(found['value'])} ({number(low)}–{number(high)})"


def number(value: float | None) -> str:
    """Three decimals."""
    return "–" if value is None else f"{value:.3f}"
