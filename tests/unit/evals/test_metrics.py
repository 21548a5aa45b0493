import math

import numpy as np
import pytest

from evals import metrics


def test_ndcg_rewards_what_stands_first() -> None:
    gains = {"a": 1.0, "b": 1.0}
    assert metrics.ndcg(["a", "b", "c"], gains) == pytest.approx(1)
    assert metrics.ndcg(["c", "a"], {"a": 1.0}) == pytest.approx(1 / math.log2(3))
    assert metrics.ndcg(["c"] * 10 + ["a"], {"a": 1.0}) == 0
    assert metrics.ndcg([], {}) == 0


def test_graded_judgments_count_by_their_gain() -> None:
    gains = {"a": 2.0, "b": 1.0}
    assert metrics.ndcg(["b", "a"], gains) == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)))


def test_hit_and_recall() -> None:
    gains = {"a": 1.0, "b": 1.0}
    assert [metrics.hit(["x", "a"], gains, k) for k in (1, 2)] == [0, 1]
    assert metrics.recall(["x", "a"], gains, 20) == 0.5
    assert metrics.recall(["x", "a"], gains, 1) == 0


def test_auroc_with_ties() -> None:
    assert metrics.auroc(np.array([0.9, 0.8]), np.array([0.1])) == 1
    assert metrics.auroc(np.array([0.5]), np.array([0.5])) == 0.5
    assert metrics.auroc(np.array([0.5, 0.1]), np.array([0.5, 0.3])) == pytest.approx(0.375)
    assert math.isnan(metrics.auroc(np.array([]), np.array([0.5])))


def test_balanced_accuracy() -> None:
    assert metrics.balanced_accuracy(np.array([0.9, 0.2]), np.array([0.1]), 0.5) == 0.75


def test_intervals_hold_the_value_and_are_the_same_each_time() -> None:
    values = [0.0, 1.0, 1.0, 1.0] * 25
    found = metrics.mean(values)
    assert (found.value, found.n) == (0.75, 100)
    assert 0.6 < found.low < 0.75 < found.high < 0.9
    assert found == metrics.mean(values)
    both = metrics.auroc_figure([0.9, 0.6, 0.4] * 10, [0.5, 0.1] * 10)
    assert both.low <= both.value <= both.high <= 1


def test_nothing_to_count_is_not_a_number() -> None:
    found = metrics.share(0, 0)
    assert math.isnan(found.value)
    assert found.n == 0


def test_risk_grows_with_what_is_answered() -> None:
    curve = metrics.risk_coverage([0.9, 0.5, 0.8, 0.1], [True, True, True, False])
    assert curve == [(0.25, 0.0), (0.5, 0.0), (0.75, 0.0), (1.0, 0.25)]
