"""What was measured as one JSON object: plain values first, then intervals and detail."""

import math
from typing import Any

from evals.measuring import Measured, by_leg
from evals.metrics import Figure
from evals.sets import SEED

_DIGITS = 4


def summary(measured: Measured) -> dict[str, Any]:
    """The object that `groundline eval --json` prints. What the set can't tell is null."""
    ranking = measured.ranking.figures()
    refusal = measured.refusal.figures() if measured.refusal.cases else {}
    counts = measured.refusal.counts() if measured.refusal.cases else {}
    grounding = measured.grounding
    figures = {**ranking, **refusal}
    if grounding is not None and not refusal:
        # Only claims are labelled: what the gate lets through is an answer, what it stops a refusal.
        figures |= {name: grounding[name] for name in ("auroc", "refusal_precision", "refusal_recall")}
    found: dict[str, Any] = {"set": measured.eval_set.name}
    for name in ("ndcg_at_10", "hit_at_1", "hit_at_5", "recall_at_20", "auroc", "refusal_precision", "refusal_recall"):
        found[name] = _value(figures.get(name))
    found["answered"] = counts.get("answered")
    found["wrongly_answered"] = counts.get("wrongly_answered")
    if grounding is not None and not counts:
        found["answered"], found["wrongly_answered"] = grounding["passed"], grounding["wrongly_passed"]
    found["n"] = {
        "documents": len(measured.eval_set.documents),
        "unreadable_documents": measured.unreadable,
        "queries": len(measured.eval_set.queries),
        "judged_queries": ranking["ndcg_at_10"].n,
        "answerable": sum(bool(each.query.answerable) for each in measured.refusal.cases),
        "unanswerable": sum(not each.query.answerable for each in measured.refusal.cases),
        "claims": grounding["claims"] if grounding is not None else 0,
    }
    found["ci95"] = {name: [_number(each.low), _number(each.high)] for name, each in figures.items() if each.n}
    found["legs_ndcg_at_10"] = {leg: _number(value) for leg, value in by_leg(measured).items()}
    if counts:
        found["gate"] = {
            **counts,
            "over_refusal": _value(refusal["over_refusal"]),
            "gold_recall": _value(refusal["gold_recall"]),
            "gold_contained": _value(refusal["gold_contained"]),
            "by_reason": plain(measured.refusal.by_reason()),
            "reliability": plain(measured.refusal.reliability()),
            "risk_coverage": [[_number(one), _number(two)] for one, two in measured.refusal.risk_coverage()],
        }
    if measured.confidence.cases:
        found["confidence"] = plain(measured.confidence.figures())
    if grounding is not None:
        found["grounding"] = plain(grounding)
    if measured.test is not None:
        found["test"] = summary(measured.test)
    if measured.eval_set.remarks:
        found["remarks"] = list(measured.eval_set.remarks)
    found["config"] = {**measured.config_ids, "seed": SEED}
    return found


def plain(value: Any) -> Any:
    """`value` with every figure as an object, for JSON."""
    if isinstance(value, Figure):
        return {"value": _number(value.value), "ci95": [_number(value.low), _number(value.high)], "n": value.n}
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return _number(value) if isinstance(value, float) else value


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else _number(figure.value)


def _number(value: float) -> float | None:
    return round(value, _DIGITS) if math.isfinite(value) else None
