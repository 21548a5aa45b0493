"""What is read of what the legs brought."""

from random import Random

import pytest

from svc_retrieval import scoring
from svc_retrieval.ranking import Ranking
from svc_retrieval.shortlist import by_promise, enough_for

RANKING = Ranking()
CHUNKS = 1000


def full(scores: dict[str, float]) -> dict[str, float]:
    """The same with so many others that the leg had no room left."""
    return {**scores, **{f"other {number}": 0.01 for number in range(RANKING.candidates - len(scores))}}


def test_words_count_above_what_chance_brings_and_meaning_as_it_is() -> None:
    found = by_promise({"words": 12.0, "chance": 3.0}, {"near": 0.2, "words": 0.1}, chunks=CHUNKS, ranking=RANKING)
    worth = RANKING.weights.lexical * (12.0 - RANKING.least_lexical)
    assert 0.1 + worth > 0.2 > 0.1
    assert found == ["words", "near", "chance"]


def test_what_a_full_leg_left_out_counts_as_its_last() -> None:
    """It may be as good as that; what a leg left out that had room is nothing to it."""
    words, meaning = {"unknown": 20.0, "known": 19.0}, {"known": 0.4, "last": 0.3}
    assert by_promise(words, meaning, chunks=CHUNKS, ranking=RANKING)[0] == "known"
    brought = {**full({"known": 0.4}), **{f"other {number}": 0.39 for number in range(RANKING.candidates - 1)}}
    assert by_promise(words, brought, chunks=CHUNKS, ranking=RANKING)[0] == "unknown"
    # All that can be read was brought: what is missing has no vector.
    assert by_promise(words, brought, chunks=RANKING.candidates + 1, ranking=RANKING)[0] == "unknown"
    assert by_promise({}, {}, chunks=0, ranking=RANKING) == []


def test_nothing_is_lost_and_nothing_twice() -> None:
    rng = Random(5)
    words = {number: rng.uniform(0.1, 30) for number in rng.sample(range(200), 60)}
    meaning = {number: rng.uniform(-0.1, 0.9) for number in rng.sample(range(200), 60)}
    found = by_promise(words, meaning, chunks=CHUNKS, ranking=RANKING)
    assert len(found) == len(set(found)) and set(found) == {*words, *meaning}


def test_the_promise_of_what_both_legs_saw_is_its_sum_without_what_only_reading_tells() -> None:
    words, meaning = {"a": 9.0, "b": 5.0}, {"a": 0.5, "b": 0.7}
    sums = {each: meaning[each] + scoring.lexical_worth(words[each], CHUNKS, RANKING) for each in words}
    assert by_promise(words, meaning, chunks=CHUNKS, ranking=RANKING) == sorted(sums, key=lambda each: -sums[each])


@pytest.mark.parametrize(("count", "read"), [(1, 24), (8, 24), (20, 40)])
def test_more_are_read_than_are_shown(count: int, read: int) -> None:
    assert enough_for(count, RANKING) == read
