"""What the gate does at a threshold: who is answered, who wrongly, and whether its confidence means what it says."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from evals.metrics import auroc

LEAST, MOST = 0.4, 0.8
"""Bounds of a threshold: what is left of a page when it is taken away answers some questions all the same."""
_BINS = 5


class Kind(StrEnum):
    """What the pack holds."""

    PRESENT = "source present"
    REMOVED = "source removed"
    UNRELATED = "unrelated"


class Part(StrEnum):
    """What a case is used for; all questions of a page are in one."""

    FIT = "fit"
    CHOOSE = "choose"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate made of a case. `others` is whether all but the answerability's threshold let it pass."""

    kind: Kind
    part: Part
    score: float
    others: bool

    @property
    def weighed(self) -> bool:
        """Whether there was evidence to weigh; there is none where all is stale or for another version."""
        return self.score > 0

    def passes(self, threshold: float) -> bool:
        return self.others and self.score >= threshold


@dataclass(frozen=True, slots=True)
class Targets:
    """The greatest shares of cases that may be answered wrongly."""

    removed: float = 0.05
    unrelated: float = 0.01


@dataclass(frozen=True, slots=True)
class Bin:
    """Cases with a confidence between two bounds: their mean confidence, and the share that was answerable."""

    confidence: float
    answerable: float
    n: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one policy does on one part. Shares 0 to 1; NaN where there was no such case.

    Shares are of all cases; AUROC and reliability of those in which the signal had something to weigh.
    """

    n: int
    auroc: float
    auroc_unrelated: float
    answered: float
    wrongly_removed: float
    wrongly_unrelated: float
    reliability: tuple[Bin, ...]


def choose_threshold(outcomes: Sequence[Outcome], targets: Targets) -> tuple[float, bool]:
    """The least threshold, LEAST to MOST, that keeps to both targets on `outcomes`; False where none does."""
    wanted = max(
        _keeps(outcomes, Kind.REMOVED, targets.removed), _keeps(outcomes, Kind.UNRELATED, targets.unrelated), LEAST
    )
    return min(wanted, MOST), wanted <= MOST


def _keeps(outcomes: Iterable[Outcome], kind: Kind, target: float) -> float:
    all_of = [each for each in outcomes if each.kind is kind]
    allowed = math.floor(target * len(all_of) + 1e-9)
    passing = sorted((each.score for each in all_of if each.others), reverse=True)
    # Just above the first one too many, in the digits that a policy is written with.
    return math.floor(passing[allowed] * 1000 + 1) / 1000 if len(passing) > allowed else 0.0


def figures(outcomes: Sequence[Outcome], threshold: float) -> Figures:
    """What happens at `threshold`."""
    by_kind = {kind: [each for each in outcomes if each.kind is kind] for kind in Kind}
    weighed = {kind: [each for each in found if each.weighed] for kind, found in by_kind.items()}
    scores = {kind: np.array([each.score for each in found]) for kind, found in weighed.items()}
    passed = {
        kind: sum(each.passes(threshold) for each in found) / len(found) if found else math.nan
        for kind, found in by_kind.items()
    }
    return Figures(
        n=len(outcomes),
        auroc=auroc(scores[Kind.PRESENT], scores[Kind.REMOVED]),
        auroc_unrelated=auroc(scores[Kind.PRESENT], scores[Kind.UNRELATED]),
        answered=passed[Kind.PRESENT],
        wrongly_removed=passed[Kind.REMOVED],
        wrongly_unrelated=passed[Kind.UNRELATED],
        reliability=tuple(_reliability([*weighed[Kind.PRESENT], *weighed[Kind.REMOVED]])),
    )


def _reliability(outcomes: Sequence[Outcome]) -> Iterable[Bin]:
    for number in range(_BINS):
        found = [each for each in outcomes if min(int(each.score * _BINS), _BINS - 1) == number]
        if found:
            yield Bin(
                sum(each.score for each in found) / len(found),
                sum(each.kind is Kind.PRESENT for each in found) / len(found),
                len(found),
            )
