"""The report for a person, in Markdown, from the same object that is written as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

GOALS = {"stackfaq": 0.98, "covidfaq": 0.76, "squad2": 0.92, "clapnq": 0.988}
_METHOD = """
Each set's documents go through the worker's own ingestion into a database of their own, its questions through
retrieval's own search, and what was found through the gate and the extractive answerer as in a turn. Of each set at
most {sample} questions are asked, drawn with a fixed seed. Questions are divided by a digest of their id: weights and
thresholds were chosen on the half `dev`; **the tables are of the half `{part}`**. Intervals are 95% bootstrap
intervals.
"""


def to_markdown(found: Object) -> str:
    """The whole report."""
    parts = ["# Quality report", _METHOD.strip().format(sample=found["sample"], part=found["part"] or "both halves")]
    sets = [each for each in found["sets"] if each["n"]["judged_queries"]]
    if sets:
        parts += ["## Retrieval", _table(*_retrieval(sets)), _verdicts(sets)]
        parts += ["## The gate on public questions", _table(*_gate(sets))]
    if found.get("samples"):
        parts += ["## Whole questions on `samples/`", *_samples(found["samples"])]
    claims = [each for each in found["sets"] if each.get("grounding")]
    if claims:
        parts += ["## Claims", _table(*_claims(claims))]
    if found.get("conflicts"):
        parts += ["## Conflicts", _conflicts(found["conflicts"])]
    if found["skipped"]:
        parts.append("**Skipped, for their folders are not there:** " + ", ".join(found["skipped"]))
    parts.append("Configuration: " + ", ".join(f"{name} `{value}`" for name, value in found["config"].items()))
    return "\n\n".join(parts) + "\n"


def _retrieval(sets: Sequence[Object]) -> tuple[Sequence[str], list[list[str]]]:
    head = ("set", "n", "nDCG@10", "hit@1", "hit@5", "recall@20", "words alone", "meaning alone", "goal")
    rows = []
    for each in sets:
        legs = each["legs_ndcg_at_10"]
        rows.append(
            [
                each["set"],
                str(each["n"]["judged_queries"]),
                *(_with_interval(each, key) for key in ("ndcg_at_10", "hit_at_1", "hit_at_5", "recall_at_20")),
                *(_number(legs.get(leg)) for leg in ("lexical", "vector")),
                _number(GOALS.get(each["set"])),
            ]
        )
    return head, rows


def _verdicts(sets: Sequence[Object]) -> str:
    below = [each["set"] for each in sets if each["ndcg_at_10"] < max(each["legs_ndcg_at_10"].values())]
    missed = [each["set"] for each in sets if each["ndcg_at_10"] < GOALS.get(each["set"], 0.0)]
    return (
        f"Below their better leg: {', '.join(below) or 'none'}. "
        f"Below the goal for the whole set: {', '.join(missed) or 'none'}."
    )


def _gate(sets: Sequence[Object]) -> tuple[Sequence[str], list[list[str]]]:
    head = ("set", "answerable / not", "AUROC", "refusal precision", "refusal recall", "over-refusal", "answered",
            "though unanswerable", "from another page", "gold words")  # fmt: skip
    rows = []
    for each in sets:
        if "gate" not in each:
            continue
        gate, n = each["gate"], each["n"]
        rows.append(
            [
                each["set"],
                f"{n['answerable']} / {n['unanswerable']}",
                *(_with_interval(each, key) for key in ("auroc", "refusal_precision", "refusal_recall")),
                _number(gate["over_refusal"]),
                str(gate["answered"]),
                str(gate["answered_though_unanswerable"]),
                str(gate["answered_from_another_page"]),
                _number(gate["gold_recall"]),
            ]
        )
    return head, rows


def _samples(found: Object) -> Iterator[str]:
    yield _table(
        ("questions", "answered rightly", "refused rightly", "over-refused", "answered wrongly", "page found first"),
        [
            [
                str(found["questions"]),
                f"{found['answered']} of {found['answerable']}",
                f"{found['refused']} of {found['questions'] - found['answerable']}",
                str(found["over_refused"]),
                f"**{found['wrongly_answered']}**",
                _figure(found["page_found_first"]),
            ]
        ],
    )
    yield _table(
        ("reason", "given", "precision", "recall"),
        [
            [name, str(row["given"]), _figure(row["precision"]), _figure(row.get("recall"))]
            for name, row in found["reasons"].items()
        ],
    )
    yield "Answered wrongly (an answer lacks what it must contain, or there should be none):"
    yield "\n".join(f"- “{each['question']}” → “{each['answer'][:200]}”" for each in found["wrong"]) or "none"


def _claims(sets: Sequence[Object]) -> tuple[Sequence[str], list[list[str]]]:
    head = ("set", "claims", "AUROC", "balanced accuracy as shipped", "passes though unsupported",
            "balanced accuracy, threshold from dev")  # fmt: skip
    rows = []
    for each in sets:
        one = each["grounding"]
        tuned = one.get("tuned")
        rows.append(
            [
                each["set"],
                str(one["claims"]),
                _figure(one["auroc"]),
                f"{_figure(one['balanced_accuracy'])} at {one['threshold']:.2f}",
                _figure(one["passes_though_unsupported"]),
                f"{_figure(tuned['balanced_accuracy'])} at {tuned['threshold']:.2f}" if tuned else "–",
            ]
        )
    return head, rows


def _conflicts(found: Object) -> str:
    mined = [found[f"mined_{kind}"] | {"kind": kind} for kind in ("number", "negation")]
    seen = ", ".join(f"{each['seen']} of {each['pairs']} by {each['kind']}" for each in mined)
    return f"{found['false_alarms']} false alarms in {found['pairs']} pairs that agree. Seen of mined pairs: {seen}."


def _with_interval(found: Object, name: str) -> str:
    if found.get(name) is None:
        return "–"
    low, high = found["ci95"][name]
    return f"{_number(found[name])} ({_number(low)}–{_number(high)})"


def _figure(figure: Object | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    low, high = figure["ci95"]
    return f"{_number(figure['value'])} ({_number(low)}–{_number(high)})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)
