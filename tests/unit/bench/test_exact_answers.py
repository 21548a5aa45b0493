"""The exact answers that searches are held against, beside a slow way to the same."""

import math

import numpy as np
import pytest

from bench.search.exact import K1, B, Bm25, in_order, share_of_best
from bench.search.synthetic import DOCUMENTATION, Synthetic

TEXTS = ["disk full disk", "the pump leaks", "pumps and the disk", "", "leak leak leak leak pump"]
STEMS = {"disk": "disk", "full": "full", "pump": "pump", "pumps": "pump", "leaks": "leak", "leak": "leak", "the": None,
         "and": None}  # fmt: skip


def slowly(question: str, texts: list[str], stems: dict[str, str | None] | None = None) -> list[float]:
    """Robertson's formula, a text and a word at a time."""

    def read(text: str) -> list[str]:
        words = [stems.get(each) if stems is not None else each for each in text.split()]
        return [each for each in words if each is not None]

    held = [read(each) for each in texts]
    mean = sum(map(len, held)) / len(held)
    scores = []
    for words in held:
        score = 0.0
        for asked in set(read(question)):
            df = sum(asked in each for each in held)
            idf = math.log(1 + (len(held) - df + 0.5) / (df + 0.5))
            tf = words.count(asked)
            score += idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * len(words) / mean))
        scores.append(score)
    return scores


def test_bm25_counts_stems_without_stop_words() -> None:
    bm25 = Bm25(TEXTS, STEMS)
    for question in ("disk", "the pumps", "leaks disk leak unknown", "the and", ""):
        assert bm25.scores(question) == pytest.approx(slowly(question, TEXTS, STEMS)), question
    assert bm25.scores("pump")[2] > 0, "a stem's other form is found"
    assert Bm25(TEXTS).scores("pump")[2] == 0, "which without stems it is not"


def test_bm25_of_a_synthetic_base() -> None:
    synthetic = Synthetic(seed=5, sources=DOCUMENTATION[-1:])
    (chunks,) = synthetic.chunks(300)
    texts = [each.text for each in chunks]
    bm25 = Bm25(texts)
    for asked in synthetic.questions(5, of=300):
        assert bm25.scores(asked.text) == pytest.approx(slowly(asked.text, texts))


def test_the_share_of_the_best_ten() -> None:
    scores = np.arange(100.0)
    assert share_of_best(scores, list(range(90, 100))) == 1
    assert share_of_best(scores, [99, 98, 3, 4, 99]) == 0.2, "each counts once"
    assert share_of_best(scores, []) == 0
    assert share_of_best(np.array([5.0, 1, 1, 1, 0]), [0, 4]) == 0.25, "what scores nothing is none of the best"
    tied = np.array([2.0] * 3 + [1.0] * 20)
    assert share_of_best(tied, list(range(13, 23))) == 1, "one of equal score is as good"
    assert share_of_best(np.zeros(4), []) == 1
    assert in_order(np.array([1.0, 3, 0, 3])) == [1, 3, 0]
