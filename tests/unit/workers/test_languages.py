"""Recognising a language by its function words: seldom wrong where they are few."""

import pytest

from svc_workers.languages import recognised


@pytest.mark.parametrize(
    ("counts", "words", "found"),
    [
        ({"german": (90, 30), "english": (12, 5), "dutch": (40, 9)}, 200, "german"),
        ({"english": (80, 30), "dutch": (30, 8)}, 200, "english"),
        ({"russian": (25, 12)}, 200, "russian"),
        # Too few, always the same, too small a part, too near to the knowledge base's own.
        ({"german": (7, 7)}, 10, "english"),
        ({"portuguese": (14, 2)}, 100, "english"),
        ({"german": (19, 9)}, 200, "english"),
        ({"german": (60, 20), "english": (31, 12)}, 200, "english"),
        ({}, 0, "english"),
    ],
)
def test_function_words_tell_a_language_only_where_they_are_many(
    counts: dict[str, tuple[int, int]], words: int, found: str
) -> None:
    assert recognised(counts, words, own="english") == found
