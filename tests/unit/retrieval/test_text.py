import time
from datetime import UTC, datetime

import pytest

from meshkit.text.front_matter import FrontMatterInvalid, Properties, read_front_matter
from meshkit.text.identifiers import MAX_IDENTIFIERS, identifiers
from meshkit.text.lexemes import identifier_lexemes, index_text

MARKDOWN, HTML, PLAIN = "text/markdown", "text/html", "text/plain"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Error E-4012, again e-4012.", ["e-4012"]),
        ("Order LM3-PRO-EU (v3.6) or 2.10.", ["lm3-pro-eu", "v3.6", "2.10"]),
        ("E\u20114012 and E\u20134013 and \uff25-4014", ["e-4012", "e-4013", "e-4014"]),
        ("ERR_42_X at 192.168.50.1 since 2026-03-02", ["err_42_x", "192.168.50.1", "2026-03-02"]),
        ("5GHz, 30 days, 12 seconds, re-use, well-known", ["5ghz"]),
        ("x" * 64 + "1", []),
        ("", []),
        ("--- ... -1- _2_", []),
    ],
)
def test_identifiers(text: str, found: list[str]) -> None:
    assert identifiers(text) == found


def test_identifiers_are_bounded_and_quick() -> None:
    assert len(identifiers(" ".join(f"e-{number}" for number in range(1000)))) == MAX_IDENTIFIERS
    started = time.perf_counter()
    for hostile in ("1-" * 50_000, "a" * 100_000, "1.a_" * 30_000, "-" * 100_000):
        identifiers(hostile)
        index_text(hostile)
    assert time.perf_counter() - started < 5


def test_one_identifier_however_it_is_joined() -> None:
    assert identifier_lexemes("E-4012 e4012 E_4012") == ["id:e4012"]
    assert identifier_lexemes("2.10 21.0 2.1.0") == ["id:2.1.0", "id:2.10", "id:21.0"]
    assert identifier_lexemes("LM3-PRO-EU") == ["id:lm3proeu"]


def test_what_the_parser_would_join_or_sign_is_cut() -> None:
    assert index_text("E-4012 on LM3-PRO-EU, v3.6") == "E 4012 on LM3 PRO EU, v3.6"
    assert index_text("WPA2/WPA3, café, well-known") == "WPA2 WPA3, cafe, well-known"
    # Marks that carry meaning in other scripts stay.
    assert index_text("हिन्दी 한국어") == "हिन्दी 한국어"


def test_front_matter() -> None:
    text = (
        "\ufeff---\r\ntitle: A  page\nacl: [b, a, b]\nversion: 2.10\nlanguage: no\nsupersedes: ./old.md\n"
        "updated_at: 2026-03-02T10:00:00+02:00\nquestions: ['How?', '']\nother: {x: [1]}\n---\n# Head\n\nwords"
    )
    properties, body = read_front_matter(text, MARKDOWN)
    assert body == "# Head\n\nwords"
    assert properties == Properties(
        title="A page",
        acl=("a", "b"),
        version="2.10",
        language="no",
        supersedes="old.md",
        updated_at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        questions=("How?",),
    )


@pytest.mark.parametrize(
    "text", ["# T\n\nx", "---\n\nprose between rulings\n\n---\n# T", "---\ntitle: never closed\n# T"]
)
def test_without_front_matter_all_is_body(text: str) -> None:
    assert read_front_matter(text, MARKDOWN) == (Properties(title="T"), text)


def test_html_says_it_in_its_head() -> None:
    text = (
        '<html lang="de"><head><title> A\n page </title><meta name="groundline:acl" content="b, a">'
        '<meta name="groundline:version" content="2"><meta name="description" content="x">'
        '<meta name="groundline:questions" content="One?"><meta name="groundline:questions" content="Two?"></head>'
    )
    properties, body = read_front_matter(text, HTML)
    assert body == text
    assert (properties.title, properties.acl, properties.version) == ("A page", ("a", "b"), "2")
    assert (properties.language, properties.questions) == ("de", ("One?", "Two?"))


@pytest.mark.parametrize(
    "front_matter",
    [
        "acl: [a",
        "acl: []",
        "acl:",
        "acl: {a: b}",
        "acl: [[a]]",
        "title: [a]",
        "updated_at: yesterday",
        "updated_at: 0001-01-01T00:00:00+23:59",
        f"title: {'x' * 1025}",
        f"acl: [{','.join(map(str, range(65)))}]",
        "[" * 5000,
        f"acl: {'[' * 16}a{']' * 16}",
        "a: &a [*a]\nacl: *a",
        'title: "a\\0b"',
        f"other: {'x' * 70_000}",
    ],
)
def test_front_matter_that_can_not_be_used_is_refused(front_matter: str) -> None:
    """Rather than take a page for public whose list of readers nobody could read."""
    with pytest.raises(FrontMatterInvalid) as refused:
        read_front_matter(f"---\n{front_matter}\n---\nx", MARKDOWN)
    assert len(str(refused.value)) < 100


def test_a_yaml_bomb_is_only_a_page_without_properties() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]" for p, n in zip("abcdefgh", "bcdefghi", strict=True)]
    properties, _ = read_front_matter("---\n" + "\n".join(lines) + "\n---\n# T", MARKDOWN)
    assert properties == Properties(title="T")
