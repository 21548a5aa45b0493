"""Counting over follow-up questions: what is counted for good, what for bad, and the data that it is counted on."""

from pathlib import Path

import numpy as np
import pytest

from evals.followups.figures import words_carried
from evals.followups.finding import bm25, documents, places
from evals.followups.topics import Turn, read_topics
from evals.set_files import SetUnusable
from evals.sets import DEV, TEST

FIRST = Turn("1_1", "What are sharks?", "What are sharks?")
LEANS = Turn("1_2", "What do they eat?", "What do sharks eat?", ("What are sharks?",))
STANDS = Turn("1_3", "Who was Anne Bonny?", "Who was Anne Bonny?", ("What are sharks?", "What do they eat?"))
OTHER = Turn("2_2", "How does it work?", "How does Docker work?", ("What is Docker?",))
TURNS = [FIRST, LEANS, STANDS, OTHER]


def test_the_topics_are_whole_and_in_two_halves() -> None:
    turns = read_topics()
    assert len(turns) == 479
    assert len({each.topic for each in turns}) == 50
    assert sum(bool(each.earlier) for each in turns) == 429
    dev, test = ({each.topic for each in read_topics(part=part)} for part in (DEV, TEST))
    assert (len(dev), len(test), dev & test) == (27, 23, set())
    assert {each.turn_id: each.added for each in turns}["31_4"] == {"lung", "cancer"}


def test_a_line_that_is_no_turn_is_named(tmp_path: Path) -> None:
    path = tmp_path / "some.tsv"
    path.write_text("1_1\tWhat?\tWhat is it?\n1_2\tWhy?\n")
    with pytest.raises(SetUnusable, match=r"some\.tsv:2"):
        read_topics(path)


@pytest.mark.parametrize(
    ("query", "counted"),
    [
        # carried of what people added, not wanted of what was carried, stands alone yet changed, leans yet unchanged
        (lambda turn: turn.rewritten, [1, 0, 0, 0]),
        (lambda turn: turn.asked, [0, 0, 0, 1]),
        (lambda turn: f"bicycle {turn.asked}", [0, 1, 1, 0]),
        (lambda turn: f"sharks {turn.asked}", [1 / 2, 2 / 3, 1, 0]),
    ],
)
def test_words_carried_are_counted_against_the_persons(query: object, counted: list[float]) -> None:
    figures = words_carried([LEANS, STANDS, OTHER], query)  # type: ignore[arg-type]
    assert [each.value for each in figures.values()] == pytest.approx(counted)


def test_the_same_question_is_asked_about_other_matters() -> None:
    assert documents(TURNS) == [
        *(each.rewritten for each in TURNS),
        "What do Docker eat?",
        "How does sharks work?",
    ]


def test_a_query_without_its_matter_does_not_find_its_own() -> None:
    found = documents(TURNS)
    own = [found.index(LEANS.rewritten)]
    assert list(places(bm25([LEANS.asked], found), own)) == [2]
    assert list(places(bm25(["sharks eat"], found), own)) == [1]
    # Every word of the conversation: the other questions' documents are found as well.
    assert list(places(bm25(["sharks eat Anne Bonny"], found), own)) == [2]


def test_what_scores_the_same_stands_before_it() -> None:
    assert list(places(np.asarray([[0.5, 0.5, 0.1], [0.0, 0.0, 0.0]]), [1, 1])) == [2, 3]
