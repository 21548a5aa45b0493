"""Follow-up questions: the rules bring the words that a person would, leave alone what stands alone, and drown
nothing.

The half `dev` only, by words; `python -m evals.followups` has all figures, of the half `test`.
"""

from collections.abc import Callable, Sequence

import pytest

from evals.followups.figures import METHODS, words_carried
from evals.followups.finding import bm25, documents, places
from evals.followups.topics import Turn, read_topics
from evals.sets import DEV
from svc_orchestrator.understanding import understand

Method = Callable[[Turn], str]


def _broken(method: Method, turns: Sequence[Turn]) -> list[str]:
    """What is worse than it was, with some room; measured on 2026-11-25: .62, .38, .04, .70."""
    follow = [each for each in turns if each.earlier]
    carried = {name: each.value for name, each in words_carried(follow, method).items()}
    searched = documents(turns)
    own = [searched.index(each.rewritten) for each in follow]
    found = float((1 / places(bm25([method(each) for each in follow], searched), own)).mean())
    holds = {
        "words added by people, carried": carried["words added by people, carried"] > 0.58,
        "words carried, not wanted": carried["words carried, not wanted"] < 0.43,
        "stands alone, yet carried": carried["stands alone, yet carried"] < 0.10,
        "MRR by BM25": found > 0.65,
    }
    return [name for name, held in holds.items() if not held]


def test_follow_up_questions_are_read_as_well_as_they_were() -> None:
    assert _broken(METHODS["rules"], read_topics(part=DEV)) == []


@pytest.mark.parametrize(("name", "least"), [("turn alone", 2), ("all turns", 3)])
def test_neither_the_turn_alone_nor_all_that_was_said_would_do(name: str, least: int) -> None:
    assert len(_broken(METHODS[name], read_topics(part=DEV))) >= least


def test_another_conversations_first_question_drags_nothing_along() -> None:
    firsts = [each.asked for each in read_topics(part=DEV) if not each.earlier]
    dragged = [
        f"{before} {asked}"
        for before in firsts
        for asked in firsts
        if before != asked and understand([asked], [before]).standalone_query != asked
    ]
    assert len(firsts) == 27
    assert dragged == []
