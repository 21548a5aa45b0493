"""The answerability's logistic, fitted to few cases: drawn towards the weights that it starts from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

PULL = 30.0
"""How many cases it takes to move a weight half the way, roughly; in units of the feature's own spread."""
INTERCEPT_PULL = 5.0
_STEPS = 100
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Logistic:
    """1 / (1 + e^−z), z the intercept and the weighted features. Weights are in the order of the features."""

    weights: tuple[float, ...]
    intercept: float

    def scores(self, features: Numbers) -> Numbers:
        """Of each row of `features`, 0 to 1."""
        return _sigmoid(features @ np.asarray(self.weights, dtype=np.float64) + self.intercept)


def fit(features: Numbers, labels: Numbers, start: Logistic, *, pull: float = PULL) -> Logistic:
    """Fits to `features` (cases × features) with `labels` 0 or 1; both labels weigh alike, whatever their number.

    Each weight is drawn towards that of `start`, the more the fewer cases there are, and none becomes negative: more
    coverage must never make the gate less sure. The same arguments give the same weights.
    """
    if len(features) != len(labels) or not 0 < labels.sum() < len(labels):
        raise ValueError("a fit needs cases of both labels")
    first = np.array([*start.weights, start.intercept])
    design = np.column_stack([features, np.ones(len(features))])
    spread = features.std(axis=0)
    # A feature that never varies tells nothing, and keeps its weight.
    pulls = np.array([*(pull * np.maximum(spread, 1e-3) ** 2), INTERCEPT_PULL])
    share = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (len(labels) - labels.sum())) * len(labels)
    free = np.array([*(spread > 1e-9), True])
    found = first.copy()
    while True:
        found = _minimum(design, labels, share, found, first, pulls, free)
        negative = free & (found < 0)
        negative[-1] = False
        if not negative.any():
            break
        found[negative] = 0.0
        free &= ~negative
    return Logistic(tuple(round(float(each), _DIGITS) for each in found[:-1]), round(float(found[-1]), _DIGITS))


def _minimum(
    design: Numbers,
    labels: Numbers,
    share: Numbers,
    at: Numbers,
    first: Numbers,
    pulls: Numbers,
    free: NDArray[np.bool_],
) -> Numbers:
    """Newton's way, with halved steps where a whole one would overshoot."""
    at = at.copy()
    here = _loss(design, labels, share, at, first, pulls)
    for _ in range(_STEPS):
        p = _sigmoid(design @ at)
        gradient = (design.T @ (share * (p - labels)) + pulls * (at - first))[free]
        bend = (design.T * (share * p * (1 - p))) @ design + np.diag(pulls)
        step = np.linalg.solve(bend[np.ix_(free, free)], gradient)
        length = 1.0
        while length > 1e-6:
            tried = at.copy()
            tried[free] -= length * step
            there = _loss(design, labels, share, tried, first, pulls)
            if there <= here:
                break
            length /= 2
        else:
            return at
        done = here - there < 1e-10
        at, here = tried, there
        if done:
            return at
    return at


def _loss(design: Numbers, labels: Numbers, share: Numbers, at: Numbers, first: Numbers, pulls: Numbers) -> float:
    z = design @ at
    return float(share @ (np.logaddexp(0, z) - labels * z) + (pulls * (at - first) ** 2).sum() / 2)


def _sigmoid(z: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-np.clip(z, -700, 700)))
