"""What the questions before cost and gain, on a set of two pages and questions of which one leans."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evals.sets import Document, EvalSet, Query
from evals.topic_shift import dragged, found
from meshkit.text.words import words

PAGES = [
    Document("moon", "", "The moon has craters, dust, age, light, phases, ice."),
    Document("earth", "", "The earth has oceans, dust, age, light and ice."),
]
ASKED = {"m1": "Who mapped the moon?", "e1": "Who mapped the earth?", "m2": "How old is its dust?", "e2": "Its age?"}
SET = EvalSet(
    "some",
    PAGES,
    [Query(query_id, text, answerable=None) for query_id, text in ASKED.items()],
    {query_id: {"moon" if query_id.startswith("m") else "earth": 1.0} for query_id in ASKED},
)


class Bags:
    """Vectors of words, without any model."""

    name, dimension = "bags", 64

    async def embed(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for each in words(text):
                row[sum(map(ord, each.stem)) % self.dimension] += not each.stop
        return rows


async def test_a_question_that_leans_is_found_after_its_own_pages_and_not_after_anothers() -> None:
    figures = await found(SET, "", Bags())  # type: ignore[arg-type]
    assert {name: (each.questions, each.changed) for name, each in figures.items()} == {
        "as written": (2, 0),
        "after the same page's": (2, 2),
        "after another page's": (2, 2),
    }
    assert figures["as written"].bm25 < 1
    assert figures["after the same page's"].bm25 == 1
    assert figures["after the same page's"].cosine == 1


async def test_a_set_without_two_questions_of_a_page_says_nothing() -> None:
    assert await found(EvalSet("some", PAGES, SET.queries[:2], SET.relevant), "", Bags()) == {}  # type: ignore[arg-type]


def test_what_stands_alone_is_not_dragged() -> None:
    assert dragged(EvalSet("some", PAGES, SET.queries[:2])) == 0
    assert dragged(EvalSet("some", PAGES, SET.queries[2:])) > 0
