"""The policy that a calibration comes to: weights, threshold, and the figures that they had on cases kept aside."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from evals.calibration.fitting import Logistic, fit
from evals.calibration.operating import Figures, Kind, Outcome, Part, Targets, choose_threshold, figures
from evals.metrics import auroc
from groundline.evaluation.v1.evaluation_pb2 import Policy

THRESHOLD = "answerability"
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found. `before` is the default policy on the same cases kept aside; `kept`: whether the targets held."""

    policy: Policy
    before: Figures
    after: Figures
    threshold: float
    kept: bool
    refitted: bool
    counts: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """All of it but the policy, as plain values; what could not be counted is null."""
        return {
            "version": self.policy.version,
            "knowledge_base": self.policy.knowledge_base,
            "counts": dict(self.counts),
            "threshold": self.threshold,
            "targets_kept_where_chosen": self.kept,
            "weights_refitted": self.refitted,
            "held_out": {"default": _plain(asdict(self.before)), "calibrated": _plain(asdict(self.after))},
        }


def logistic(policy: Policy) -> tuple[tuple[str, ...], Logistic]:
    """The signals that bear a weight, in the policy's order, and their logistic."""
    weighted = [each for each in policy.thresholds if each.weight]
    return tuple(each.name for each in weighted), Logistic(tuple(each.weight for each in weighted), policy.intercept)


def refit(policy: Policy, default: Policy, values: Sequence[Mapping[str, float]], labels: Sequence[bool]) -> Policy:
    """`policy` with the weights of `default`, drawn to the cases: signal values each, and whether it was answerable."""
    names, start = logistic(default)
    features = np.array([[each[name] for name in names] for each in values], dtype=np.float64)
    fitted = fit(features, np.array(labels, dtype=np.float64), start)
    return _with(policy, names, fitted)


def like(policy: Policy, default: Policy) -> Policy:
    """`policy` with the weights of `default`."""
    return _with(policy, *logistic(default))


def better(before: Sequence[Outcome], after: Sequence[Outcome]) -> bool:
    """Whether `after` tells answerable from unanswerable no worse than `before` did."""
    return _apart(after) >= _apart(before)


def conclude(
    policy: Policy,
    default: Policy,
    before: Sequence[Outcome],
    after: Sequence[Outcome],
    *,
    knowledge_base: str,
    targets: Targets,
    at: datetime,
    refitted: bool,
    counts: Mapping[str, int],
) -> Calibration:
    """Chooses the threshold on one part of `after`, and counts on another what it does there.

    `before` holds the same cases as judged by `default`, `policy` the weights that `after` was judged by.
    """
    threshold, kept = choose_threshold(_part(after, Part.CHOOSE), targets)
    used_before = next(each.threshold for each in default.thresholds if each.name == THRESHOLD)
    was, now = figures(_part(before, Part.REPORT), used_before), figures(_part(after, Part.REPORT), threshold)
    made = Policy()
    made.CopyFrom(policy)
    made.knowledge_base = knowledge_base
    for each in made.thresholds:
        if each.name == THRESHOLD:
            each.threshold = threshold
    made.description = _description(knowledge_base, counts, was, now, threshold, kept, default.version)
    made.version = ""
    digest = hashlib.sha256(made.SerializeToString(deterministic=True)).hexdigest()[:8]
    # With the time of day: of two calibrations on one day, the later is the newer.
    made.version = f"{at.astimezone(UTC):%Y-%m-%d-%H%M%S}-{knowledge_base}-{digest}"
    return Calibration(made, was, now, threshold, kept, refitted, counts)


def _with(policy: Policy, names: Sequence[str], fitted: Logistic) -> Policy:
    weights = dict(zip(names, fitted.weights, strict=True))
    made = Policy()
    made.CopyFrom(policy)
    made.intercept = fitted.intercept
    for each in made.thresholds:
        each.weight = weights.get(each.name, 0.0)
    return made


def _part(outcomes: Sequence[Outcome], part: Part) -> list[Outcome]:
    return [each for each in outcomes if each.part is part]


def _apart(outcomes: Sequence[Outcome]) -> float:
    chosen = [each for each in _part(outcomes, Part.CHOOSE) if each.weighed]
    present = np.array([each.score for each in chosen if each.kind is Kind.PRESENT])
    return auroc(present, np.array([each.score for each in chosen if each.kind is Kind.REMOVED]))


def _description(
    base: str, counts: Mapping[str, int], was: Figures, now: Figures, threshold: float, kept: bool, default: str
) -> str:
    reliability = ", ".join(f"{each.confidence:.2f}: {each.answerable:.2f} of {each.n}" for each in now.reliability)
    missed = "" if kept else " The targets could not be kept: this is the strictest threshold allowed."
    return (
        f"Calibrated for {base} from {counts['pages']} of its pages, against {default}. On {now.n} cases kept aside: "
        f"AUROC {now.auroc:.3f} with the source present against removed (was {was.auroc:.3f}). At {threshold:.3f} it "
        f"answers {now.answered:.1%} of the answerable (was {was.answered:.1%}), {now.wrongly_removed:.1%} with the "
        f"source removed (was {was.wrongly_removed:.1%}), {now.wrongly_unrelated:.1%} of unrelated questions "
        f"(was {was.wrongly_unrelated:.1%}).{missed} Reliability, confidence: share answerable: {reliability}."
    )[:1024]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
