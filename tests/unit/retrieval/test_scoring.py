import math
from dataclasses import replace

import pytest

from svc_retrieval import scoring
from svc_retrieval.lineage import below_successors, best_of_each
from svc_retrieval.ranking import Ranking
from svc_retrieval.scoring import Reading, Signals, Term
from svc_retrieval.titles import asks

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
    assert scoring.coverage(Reading.of([RESET, ROUTER, CODE]), {"reset": (1,), "router": (2,)}) == pytest.approx(3 / 7)
    assert scoring.coverage(Reading.of([]), {}) == 0


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


def test_words_that_stand_close_together_tell_more() -> None:
    terms = [RESET, ROUTER, CODE]
    for held, told in [
        ({"reset": (5,), "router": (13,)}, 3.0),
        ({"reset": (5,), "router": (14,)}, 2.0),
        ({"reset": (1, 9, 30), "router": (31,)}, 3.0),
        ({"reset": (1, 2, 3)}, 2.0),
        ({"id:e4012": ()}, 0.0),
        ({}, 0.0),
    ]:
        assert scoring.together(terms, held, 8) == pytest.approx(told)


def test_identifiers_and_titles() -> None:
    terms = [RESET, ROUTER, CODE]
    assert scoring.identifiers(terms, {"id:e4012": (), "reset": (1,)}, ()) == 4.0
    assert scoring.identifiers(terms, {"id:e4012": ()}, {"id:e4012"}) == 8.0
    assert scoring.identifiers(terms, {"reset": (1,)}, {"id:e4012"}) == 0
    reading = Reading.of(terms)
    assert scoring.title_overlap(reading, {"reset", "router"}) == 1
    assert scoring.title_overlap(reading, {"reset", "factori"}) == 0.5
    assert scoring.title_overlap(Reading.of([]), {"reset"}) == scoring.title_overlap(reading, set()) == 0


def total(signals: Signals, terms: list[Term], chunks: int = 1000) -> float:
    return scoring.first_sum(signals, Reading.of(terms), chunks, RANKING)


def test_a_title_that_asks_stands_in_for_a_part_of_what_the_passage_means() -> None:
    topic = Signals(bm25=0, cosine=0.5, coverage=0, bigram=0, title_cosine=0.8)
    question = replace(topic, title_asks=True)
    assert scoring.title_worth(topic, RANKING) == pytest.approx(0.2 * 0.8)
    assert scoring.title_worth(question, RANKING) == pytest.approx(0.2 * 0.8 + 0.25 * (0.8 - 0.5))
    # A question that is farther from what is asked than its answer speaks against the page.
    other = replace(question, title_cosine=0.1)
    assert scoring.title_worth(other, RANKING) < scoring.title_worth(replace(other, title_asks=False), RANKING)
    # An approved record's passage is its question: there is nothing to stand in for.
    record = replace(question, cosine=0.8)
    assert scoring.title_worth(record, RANKING) == pytest.approx(0.2 * 0.8)
    for unknown in (replace(question, title_cosine=None, title_asks=False), replace(question, cosine=None)):
        assert 0 <= scoring.title_worth(unknown, RANKING) <= 0.2
    assert scoring.score(-0.1, RANKING) == 0


@pytest.mark.parametrize(
    "title",
    [
        "How do I reset it",
        "How to reset it",
        "Which plan does it need",
        "What is a node",
        "Kann ich kündigen?",
        "\u8fd4\u54c1\u3067\u304d\u307e\u3059\u304b\uff1f",
        "Can I pay by card",
    ],
)
def test_a_title_that_asks_is_known(title: str) -> None:
    assert asks(title)


@pytest.mark.parametrize("title", ["Reset", "How it works", "What's new in 3.6", "Can openers", "Where Art Thou", ""])
def test_a_title_that_names_does_not_ask(title: str) -> None:
    assert not asks(title)


def test_the_best_of_a_bad_lot_does_not_look_good() -> None:
    """BM25 divided by the best candidate's would give this passage full marks for one word of courtesy."""
    terms = [RESET, ROUTER, CODE]
    poor = Signals(bm25=0.5, cosine=0.1, coverage=1 / 7, bigram=0.0, together=1.0)
    assert scoring.score(total(poor, terms), RANKING) < 0.12
    good = Signals(bm25=9.0, cosine=0.9, coverage=1.0, bigram=1.0, identifiers=4.0, together=3.0)
    assert scoring.score(total(good, terms), RANKING) > 0.6


def test_words_count_by_how_much_they_tell() -> None:
    """Half of a short question of everyday words is no evidence; half of a long one with rare words is much."""
    short, long = [Term("spread", 31, 0.9, (1,))], [Term(f"rare{n}", 1, 6.0, (n,)) for n in range(1, 5)]
    assert total(Signals(0.9, 0.5, 1.0, 0.0, together=0.9), short) == 0.5
    assert total(Signals(12.0, 0.5, 0.5, 0.3, together=12.0), long) > 0.65


def test_in_a_small_corpus_a_rare_word_still_counts() -> None:
    only = [Term("id:e4012", 1, 1.5, ()), Term("4012", 1, 1.5, (2,))]
    found = Signals(bm25=3.0, cosine=0.3, coverage=1.0, bigram=0.0, identifiers=1.5, together=1.5)
    assert total(found, only, chunks=3) > 0.33


def test_a_page_for_another_version_loses() -> None:
    found = Signals(bm25=9.0, cosine=0.6, coverage=1.0, bigram=0.0)
    other = replace(found, another_version=True)
    terms = [RESET, ROUTER, CODE]
    assert total(found, terms) - total(other, terms) == pytest.approx(RANKING.weights.another_version)
    assert total(Signals(0.0, 0.1, 0.0, 0.0, another_version=True), []) == 0


@pytest.mark.parametrize("terms", [[], [CODE], [RESET], [RESET, ROUTER]])
def test_the_score_stays_in_its_range_and_keeps_the_order(terms: list[Term]) -> None:
    ideal = Signals(bm25=99.0, cosine=1.0, coverage=1.0, bigram=1.0, identifiers=99.0, together=99.0, title_overlap=1.0)
    for nothing in (Signals(0.0, -1.0, 0.0, 0.0), Signals(0.0, None, 0.0, 0.0)):
        assert scoring.score(total(nothing, terms), RANKING) == 0
    sums = [each / 10 for each in range(51)]
    scores = [scoring.score(each, RANKING) for each in [*sums, total(ideal, terms)]]
    assert all(0 <= each < 1 and math.isfinite(each) for each in scores)
    assert scores[:51] == sorted(set(scores[:51]))


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
