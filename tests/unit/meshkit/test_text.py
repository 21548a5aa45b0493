"""Blocks, sentences, words and quantities: places are exact, and what looks like an end of a sentence is none."""

import itertools
import random

import pytest

from meshkit.text.blocks import BlockKind, blocks, cells
from meshkit.text.quantities import quantities
from meshkit.text.sentences import sentences
from meshkit.text.words import stem, words


def split(text: str) -> list[str]:
    return [text[each.start : each.end] for each in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It works. It really does! Does it? Yes.", ["It works.", "It really does!", "Does it?", "Yes."]),
        ("Firmware 3.2.1 is out. Get it at https://a.example/x.y. Then restart.", 3),
        ("Use e.g. port 80. See Fig. 3 for the rest.", ["Use e.g. port 80.", "See Fig. 3 for the rest."]),
        ("Dr. A. Smith of Acme Inc. wrote it. She left.", ["Dr. A. Smith of Acme Inc. wrote it.", "She left."]),
        ("Sold by Acme Inc. The rest is history.", ["Sold by Acme Inc.", "The rest is history."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("Run `a. B` now. Done.", ["Run `a. B` now.", "Done."]),
        ("A cable of 1.5 m. Mounts are extra.", ["A cable of 1.5 m.", "Mounts are extra."]),
        ("Wait ... then go on. Good.", ["Wait ... then go on.", "Good."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("no end", ["no end"]),
        ("", []),
        (" \n\t\n", []),
    ],
)
def test_sentences(text: str, expected: list[str] | int) -> None:
    found = split(text)
    assert found == expected if isinstance(expected, list) else len(found) == expected


def test_lists_tables_and_headings_are_read_apart() -> None:
    text = (
        "# Reset\n\nDo this:\n\n1. Open it.\n2. Hold RESET\n   for 12 s. Let go.\n\n"
        "| SKU | EU |\n|---|---|\n| A-1 | €3 |"
    )
    found = blocks(text)
    kinds = [each.kind for each in found]
    assert kinds == [
        BlockKind.HEADING,
        BlockKind.PARAGRAPH,
        BlockKind.ITEM,
        BlockKind.ITEM,
        BlockKind.ROW,
        BlockKind.ROW,
    ]
    assert [each.ordinal for each in found[2:4]] == [1, 2]
    assert [each.header for each in found[4:]] == [True, False]
    assert cells(text, found[5]) == ["A-1", "€3"]
    assert "2. " not in "".join(split(text))
    assert "Hold RESET\n   for 12 s." in split(text)


def test_bare_text_has_headings_in_capitals_and_wrapped_lines() -> None:
    text = "LUMEN 2\n1. Open the page at\n   a.example.\nIt is\nthere now.\n\nBACK AGAIN\nHold it."
    assert [(each.kind.value, text[each.body : each.end]) for each in blocks(text)] == [
        ("heading", "LUMEN 2"),
        ("item", "Open the page at\n   a.example."),
        ("paragraph", "It is\nthere now."),
        ("heading", "BACK AGAIN"),
        ("paragraph", "Hold it."),
    ]


def test_code_is_one_block_without_its_fences() -> None:
    text = "Run:\n```\nls -l. Foo\ncd x\n```\nDone."
    assert split(text) == ["Run:", "ls -l. Foo\ncd x", "Done."]


@pytest.mark.parametrize("seed", range(40))
def test_spans_are_ordered_disjoint_and_lose_no_word(seed: int) -> None:
    random_ = random.Random(seed)
    pieces = [
        "E-4012",
        "3.2.1",
        "e.g.",
        "Stop.",
        "Really?",
        "über",
        "😀",
        "| a | b |",
        "|---|---|",
        "\n",
        "\n\n",
        "1. ",
        "- ",
        "# ",
        "`x. Y`",
        "```\n",
        "https://a.example/b?c=d.",
        "(see p. 3)",
        "Inc.",
        "  ",
        "WLAN AN",
        "。",
        "\r\n",
        "I.",
    ]
    text = " ".join(random_.choice(pieces) for _ in range(random_.randrange(60)))
    found = sentences(text)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    assert all(text[each.start : each.end].strip() == text[each.start : each.end] for each in found)
    covered = {at for each in found for at in range(each.start, each.end)}
    lost = [at for at, char in enumerate(text) if char.isalpha() and at not in covered]
    assert lost == []
    assert all(text[each.start : each.end] == each.text for each in words(text))


def test_words_have_the_stems_of_the_index() -> None:
    assert [each.stem for each in words("The gateways' connections, re-connected")] == [
        "the",
        "gateway",
        "connect",
        "re",
        "connect",
    ]
    assert [each.text for each in words("E-4012 v3.6.2 at 02:00, 1,000 users, don't")][:4] == ["E", "4012", "v3", "6.2"]
    assert stem("Café") == "cafe"
    assert stem("gehende", "german") == "gehend"
    with pytest.raises(KeyError):
        stem("x", "klingon")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hold it for 12 seconds", [("12", "second")]),
        ("twelve seconds", [("12", "second")]),
        ("€389 or 1,000 $", [("389", "€"), ("1000", "$")]),
        ("€4.50", [("4.50", "€")]),
        ("up to 300 Mbit/s", [("300", "mbit/s")]),
        ("firmware 2.14.6, at 02:00", [("2.14.6", ""), ("02:00", "")]),
        ("since 2026-04-21", [("2026-04-21", "")]),
        ("LM3-PRO and E-4012 and LM2", []),
        ("one of them", []),
        ("one hour", [("1", "hour")]),
        ("5 %", [("5", "%")]),
    ],
)
def test_quantities(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(each.value, each.unit) for each in quantities(text)] == expected
