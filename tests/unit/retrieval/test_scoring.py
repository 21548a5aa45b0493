import math

import pytest

from svc_retrieval import scoring
from svc_retrieval.lineage import below_successors, best_of_each
from svc_retrieval.ranking import Ranking
from svc_retrieval.scoring import Signals, Term

RANKING = Ranking()
RESET = Term("reset", 10, 2.0, (2,))
ROUTER = Term("router", 100, 1.0, (4,))
CODE = Term("id:e4012", 1, 4.0, ())


def test_bm25_is_what_the_books_say() -> None:
    held = {"reset": (1, 7), "router": ()}
    value = scoring.bm25([RESET, ROUTER, CODE], held, words=50, mean_words=100.0, ranking=RANKING)
    length = 1.2 * (0.25 + 0.75 * 0.5)
    assert value == pytest.approx(2.0 * 2 * 2.2 / (2 + length) + 1.0 * 2.2 / (1 + length))
    assert scoring.bm25([RESET], {}, words=0, mean_words=0.0, ranking=RANKING) == 0


def test_coverage_weighs_words_by_their_rarity() -> None:
    assert scoring.coverage([RESET, ROUTER, CODE], {"reset": (1,), "router": (2,)}) == pytest.approx(3 / 7)
    assert scoring.coverage([], {}) == 0


def test_neighbours_stand_as_close_and_in_order() -> None:
    pairs = scoring.neighbours([ROUTER, RESET, CODE])
    assert pairs == [("reset", "router", 2)]
    for held, share in [
        ({"reset": (5,), "router": (6,)}, 1),
        ({"reset": (5,), "router": (7,)}, 1),
        ({"reset": (5,), "router": (8,)}, 0),
        ({"reset": (6,), "router": (5,)}, 0),
        ({"reset": (5,)}, 0),
    ]:
        assert scoring.bigram(pairs, held) == share
    assert scoring.bigram([], {}) == 0


def test_the_best_of_a_bad_lot_does_not_look_good() -> None:
    """BM25 divided by the best candidate alone would give this passage full marks for one word of courtesy."""
    terms = [RESET, ROUTER, CODE]
    poor = Signals(bm25=0.5, cosine=0.1, coverage=1 / 7, bigram=0.0)
    (score,) = scoring.fuse([poor], terms, RANKING)
    assert score < 0.12
    good = Signals(bm25=9.0, cosine=0.9, coverage=1.0, bigram=1.0)
    scores = scoring.fuse([good, poor], terms, RANKING)
    assert scores[0] > 0.9 > 0.12 > scores[1]


@pytest.mark.parametrize("terms", [[], [CODE], [RESET], [RESET, ROUTER]])
def test_the_score_stays_in_its_range(terms: list[Term]) -> None:
    ideal = Signals(bm25=99.0, cosine=1.0, coverage=float(bool(terms)), bigram=float(len(terms) > 1))
    nothing = Signals(bm25=0.0, cosine=-1.0, coverage=0.0, bigram=0.0)
    unknown = Signals(bm25=0.0, cosine=None, coverage=0.0, bigram=0.0)
    best, worst, last = scoring.fuse([ideal, nothing, unknown], terms, RANKING)
    assert best == pytest.approx(1)
    assert worst == last == 0
    assert all(math.isfinite(each) for each in (best, worst))


def test_ranks() -> None:
    assert scoring.ranks([0.5, None, 0.9, 0.5, 0.1]) == [2, 0, 1, 2, 4]


def test_the_configuration_has_an_id_of_its_values() -> None:
    assert Ranking().config_id == Ranking().config_id
    assert Ranking(k1=1.3).config_id != Ranking().config_id


def test_successors_bound_what_they_replace() -> None:
    scores = {"old": 0.9, "new": 0.6, "newest": 0.7, "other": 0.8}
    bounds = below_successors(scores, {"old": "new", "new": "newest", "other": "nowhere"})
    assert bounds == {"old": 0.6, "new": 0.6, "newest": 0.7, "other": 0.8}
    assert below_successors({"a": 0.9, "b": 0.4}, {"a": "b", "b": "a"}) == {"a": 0.4, "b": 0.4}


def test_best_of_each() -> None:
    items = [("r", 0.1, 0), ("r", 0.9, 1), (None, 0.2, 2), (None, 0.2, 3), ("r", 0.9, 4)]
    assert best_of_each(items, key=lambda each: each[0], score=lambda each: each[1]) == [items[1], *items[2:4]]
