"""From drafts to text, and from markup to words."""

import random

import pytest

from groundline.evaluation.v1.evaluation_pb2 import (
    ANSWER_FORM_PROCEDURE,
    ANSWER_FORM_SENTENCES,
    AnswerForm,
    Claim,
    Draft,
)
from svc_orchestrator.answering.quotes import locate
from svc_orchestrator.answering.ranges import within
from svc_orchestrator.answering.wording import is_pointer, plain, to_text


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("Open **System > Time** and choose *Go*.", "Open System > Time and choose Go."),
        ("Set `ntp.example` in [the menu](https://a.example/x_(y)).", "Set ntp.example in the menu."),
        ("### Reset\nit", "Reset it"),
        ("***Both*** and __this__", "Both and this"),
        ("2*3*4 and a_b_c and __init__.py stay", "2*3*4 and a_b_c and __init__.py stay"),
        ("two  spaces\n   and a line", "two spaces and a line"),
        ("", ""),
    ],
)
def test_plain(markup: str, expected: str) -> None:
    assert plain(markup) == expected


@pytest.mark.parametrize(
    "text",
    [
        "See the [guide](g.md).",
        "See Replace a machine.",
        "For more details see there.",
        "The steps are as follows.",
        "This page shows how.",
    ],
)
def test_what_points_elsewhere(text: str) -> None:
    assert is_pointer(text)


@pytest.mark.parametrize(
    "text", ["See that the lamp is green.", "Read the number on the underside.", "The lamp is below."]
)
def test_what_says_something_itself(text: str) -> None:
    assert not is_pointer(text)


@pytest.mark.parametrize("seed", range(30))
def test_every_word_shown_is_in_exactly_one_claim(seed: int) -> None:
    chance = random.Random(seed)
    texts = [
        chance.choice(("One.", "Zwei 😀 Sätze.", "Do this:\n1. Go.", "2. Stop.")) for _ in range(chance.randrange(6))
    ]
    form: AnswerForm.ValueType = chance.choice((ANSWER_FORM_SENTENCES, ANSWER_FORM_PROCEDURE))
    text, spans = to_text(Draft(claims=[Claim(text=each) for each in texts], form=form))
    assert [text[start:end] for start, end in spans] == texts
    covered = {at for start, end in spans for at in range(start, end)}
    assert sum(end - start for start, end in spans) == len(covered)
    assert all(text[at].isspace() for at in range(len(text)) if at not in covered)


def test_steps_stand_on_lines_of_their_own() -> None:
    draft = Draft(claims=[Claim(text="Reset\n1. Go."), Claim(text="2. Stop.")], form=ANSWER_FORM_PROCEDURE)
    assert to_text(draft)[0] == "Reset\n1. Go.\n2. Stop."


@pytest.mark.parametrize(
    ("quote", "text", "expected"),
    [
        ("hold up to 40", "It can hold up to 40 widgets.", "hold up to 40"),
        ("HOLD up   to “40”", "It can hold up to 40 widgets.", "hold up to 40"),
        ("It can hold", "It can’t hold", None),
        ("up to 50", "It can hold up to 40 widgets.", None),
        ("old up", "It can hold: up to 40", None),
        ("it", "it", None),
        ("...", "It ... can", "..."),
    ],
)
def test_quotes_are_located_or_not(quote: str, text: str, expected: str | None) -> None:
    place = locate(quote, text)
    assert (text[place[0] : place[1]] if place else None) == expected


@pytest.mark.parametrize(
    ("cell", "number", "expected"),
    [
        ("100 to 249", 150, True),
        ("100 to 249", 300, False),
        ("250 or more", 300, True),
        ("up to 99", 99, True),
        ("up to 99", 100, False),
        ("1,000–4,999", 1200, True),
        ("Acme 3 Pro", 3, None),
        ("7", 7, True),
        ("1,000", 1000, True),
        ("7", 8, None),
        ("7 hubs", 7, None),
    ],
)
def test_ranges(cell: str, number: float, expected: bool | None) -> None:
    assert within(cell, number) is expected
