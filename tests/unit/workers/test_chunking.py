"""Passages: divided at headings, kept whole where they must be, nothing lost."""

import random

import pytest

from svc_workers.chunking import TARGET_TOKENS, WHOLE_TOKENS, chunk, estimate_tokens
from svc_workers.extraction import extract


def divided(body: str, title: str = "Title", media_type: str = "text/markdown") -> list[tuple[tuple[str, ...], str]]:
    document = extract(media_type, body)
    found = chunk(document, title=title)
    for each in found:
        assert document.text[each.start : each.end] in each.text
        assert estimate_tokens(each.text) <= WHOLE_TOKENS + 20
    return [(each.headings, each.text) for each in found]


def test_headings_divide_and_lead_to_the_passage() -> None:
    body = "# Title\n\nIntro.\n\n## A\n\nText.\n\n### B\n\nDeep.\n\n## C\n\nEnd.\n"
    assert divided(body) == [
        ((), "Intro."),
        (("A",), "Text."),
        (("A", "B"), "Deep."),
        (("C",), "End."),
    ]


def steps(count: int) -> str:
    return "\n".join(
        f"{number}. Open the menu number {number} and choose Apply there." for number in range(1, count + 1)
    )


def test_a_procedure_stays_whole_with_what_announces_it() -> None:
    filler = "Some words before it that fill the passage up. " * 15
    found = divided(f"{filler}\n\nDo this:\n\n{steps(20)}\n")
    assert 200 < estimate_tokens(steps(20)) <= WHOLE_TOKENS
    assert found[-1][1].endswith(steps(20)) and found[-1][1].startswith("Do this:")


def test_a_longer_procedure_is_divided_between_steps() -> None:
    found = divided(steps(60))
    assert len(found) > 1
    assert "\n".join(text for _, text in found) == steps(60)


def test_a_divided_table_repeats_its_heads() -> None:
    rows = [f"| LM3-{number} | product number {number} | on sale |" for number in range(60)]
    found = divided("| SKU | Product | Status |\n|---|---|---|\n" + "\n".join(rows) + "\n\nAfter it.\n")
    heads = "| SKU | Product | Status |\n| --- | --- | --- |\n"
    tables = [text for _, text in found if text.startswith("|")]
    assert len(tables) > 1 and all(text.startswith(heads) for text in tables)
    assert [row for text in tables for row in text.removeprefix(heads).split("\n")] == rows


def test_divided_code_is_fenced_in_each_part_and_a_command_stays_whole() -> None:
    command = "$ run --first-option value \\\n  --second-option value \\\n  --third-option value"
    found = [text for _, text in divided("```\n" + "\n".join([command] * 30) + "\n```\n")]
    assert len(found) > 1
    for text in found:
        assert text.startswith("```\n$ run") and text.endswith("value\n```")


def test_small_rests_join_and_large_paragraphs_divide_at_sentences() -> None:
    sentence = "This sentence has about ten words in it, more or less. "
    found = [text for _, text in divided(sentence * 60)]
    assert len(found) > 1
    assert all(text.endswith("less.") and text.startswith("This") for text in found)
    assert all(estimate_tokens(text) <= TARGET_TOKENS + 60 for text in found)


def test_an_endless_line_is_cut_but_not_lost() -> None:
    line = "x" * 5000
    assert "".join(text for _, text in divided(line, media_type="text/plain")) == line


def test_headings_alone_are_one_passage() -> None:
    assert divided("# One\n\n## Two\n") == [((), "One\n\nTwo")]


@pytest.mark.parametrize("seed", range(20))
def test_every_word_of_any_document_is_in_a_passage(seed: int) -> None:
    rng = random.Random(seed)
    words = [f"w{number}" for number in range(3000)]
    parts, at = [], 0
    while at < len(words):
        take = words[at : at + rng.randint(1, 300)]
        at += len(take)
        kind = rng.choice(["paragraph", "list", "table", "code", "heading"])
        if kind == "heading":
            parts.append("## " + " ".join(take[:8]) + "\n\n" + " ".join(take[8:]))
        elif kind == "list":
            parts.append("\n".join(f"- {word}" for word in take))
        elif kind == "table":
            parts.append("| a | b |\n|---|---|\n" + "\n".join(f"| {word} | {word} |" for word in take))
        elif kind == "code":
            parts.append("```\n" + "\n".join(take) + "\n```")
        else:
            parts.append(". ".join(word.capitalize() for word in take) + ".")
    found = divided("\n\n".join(parts))
    seen = {
        word
        for headings, text in found
        for part in (*headings, text)
        for word in part.lower().replace(".", " ").split()
    }
    assert set(words) <= seen


def test_estimates_follow_the_tokenizer_of_the_model() -> None:
    assert estimate_tokens("Hold the RESET button for 12 seconds.") in range(7, 12)
    assert estimate_tokens("internationalization") in range(2, 6)
    assert estimate_tokens("こんにちは世界") == 7
    assert estimate_tokens("") == 0
