"""What is counted, and how sure the count is. Pure functions of numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
_SEED = 7

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95% bootstrap interval, over `n` cases. NaN where there is nothing to count."""

    value: float
    low: float
    high: float
    n: int


def ndcg(ranked: Sequence[str], gains: Mapping[str, float], k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first `k`, 0 to 1; `ranked` holds each document once."""
    found = math.fsum(gains.get(doc_id, 0.0) / math.log2(place + 2) for place, doc_id in enumerate(ranked[:k]))
    ideal = math.fsum(
        gain / math.log2(place + 2) for place, gain in enumerate(sorted(gains.values(), reverse=True)[:k])
    )
    return found / ideal if ideal else 0.0


def hit(ranked: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """1 if a relevant document is among the first `k`, else 0."""
    return float(any(doc_id in gains for doc_id in ranked[:k]))


def recall(ranked: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    """The share of relevant documents among the first `k`."""
    return sum(doc_id in gains for doc_id in ranked[:k]) / len(gains) if gains else 0.0


def auroc(positives: Numbers, negatives: Numbers) -> float:
    """How likely a positive scores above a negative; ties count half. NaN without one of either."""
    if not len(positives) or not len(negatives):
        return math.nan
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    upto = np.searchsorted(ordered, positives, side="right")
    return float((below + upto).mean() / 2 / len(negatives))


def balanced_accuracy(positives: Numbers, negatives: Numbers, threshold: float) -> float:
    """The mean of the shares that fall on their side of `threshold` (positives reach it)."""
    if not len(positives) or not len(negatives):
        return math.nan
    return float(((positives >= threshold).mean() + (negatives < threshold).mean()) / 2)


def mean(values: Sequence[float]) -> Figure:
    """The mean of `values`."""
    array = np.asarray(values, dtype=np.float64)
    return over_cases(len(array), lambda chosen: float(array[chosen].mean()))


def share(hits: int, of: int) -> Figure:
    """`hits` of `of`."""
    return mean([1.0] * hits + [0.0] * (of - hits))


def auroc_figure(positives: Sequence[float], negatives: Sequence[float]) -> Figure:
    """The AUROC; positives and negatives are drawn apart."""
    one, two = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    if not len(one) or not len(two):
        return Figure(math.nan, math.nan, math.nan, len(one) + len(two))
    draw = np.random.default_rng(_SEED)
    drawn = [
        auroc(one[draw.integers(0, len(one), len(one))], two[draw.integers(0, len(two), len(two))])
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Figure(auroc(one, two), float(low), float(high), len(one) + len(two))


def over_cases(n: int, statistic: Callable[[NDArray[np.int64]], float]) -> Figure:
    """`statistic` of the indices of all cases, and of cases drawn with replacement."""
    if not n:
        return Figure(math.nan, math.nan, math.nan, 0)
    draw = np.random.default_rng(_SEED)
    drawn = [statistic(draw.integers(0, n, n)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Figure(statistic(np.arange(n)), float(low), float(high), n)


def reliability(confidences: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[tuple[float, float, int]]:
    """Cases in order of confidence, in `bins` of equal size: mean confidence, share that is right, size."""
    order = np.argsort(np.asarray(confidences, dtype=np.float64), kind="stable")
    sure, truth = np.asarray(confidences, dtype=np.float64)[order], np.asarray(right, dtype=bool)[order]
    parts = [each for each in np.array_split(np.arange(len(order)), bins) if len(each)]
    return [(float(sure[each].mean()), float(truth[each].mean()), len(each)) for each in parts]


def roc(positives: Numbers, negatives: Numbers, points: int = 40) -> list[tuple[float, float]]:
    """The share of negatives that pass, and of positives, for thresholds from the strictest to none."""
    if not len(positives) or not len(negatives):
        return []
    both = np.unique(np.concatenate([positives, negatives]))[::-1]
    chosen = both[np.unique(np.linspace(0, len(both) - 1, min(points, len(both))).astype(int))]
    passed = [(float((negatives >= each).mean()), float((positives >= each).mean())) for each in chosen]
    return [(0.0, 0.0), *passed]


def risk_coverage(confidences: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float]]:
    """For each number of questions answered, surest first: the share answered, and which share of those wrongly."""
    order = np.argsort(-np.asarray(confidences, dtype=np.float64), kind="stable")
    wrong = np.cumsum(~np.asarray(right, dtype=bool)[order])
    return [((index + 1) / len(order), float(count) / (index + 1)) for index, count in enumerate(wrong)]
