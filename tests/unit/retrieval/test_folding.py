from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from evals.ranking import pages
from svc_retrieval.folding import Entry, Folded, Why, bounds, fold, section
from svc_retrieval.results import Found
from svc_retrieval.scoring import Signals
from svc_retrieval.store.search import Passage

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RESET = (
    "Hold the reset button for 12 seconds until the light turns amber. Then wait until it is green again, and log in "
    "with the password that is printed on the label."
)


def passage(number: int, text: str = RESET, **fields: object) -> Passage:
    made = Passage(
        chunk_id=UUID(int=number),
        doc_id=UUID(int=1000 + number),
        chunk_index=0,
        text=text,
        metadata={},
        acl=("public",),
        word_count=30,
        held={},
        cosine=0.5,
        title="Reset",
        uri=f"pages/{number}.md",
        kind="page",
        version=1,
        updated_at=NOW,
        product_version="",
        superseded_by=None,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def shown(*passages: Passage, another: tuple[bool, ...] = ()) -> dict[int, list[tuple[int, Why]]]:
    """What is shown, by number, with what it stands for."""
    others = another or (False,) * len(passages)
    entries = [
        Entry(each, 0.9 - 0.1 * place, other) for place, (each, other) in enumerate(zip(passages, others, strict=True))
    ]
    return {
        entries[place].passage.chunk_id.int: [(each.chunk_id.int, each.why) for each in folded]
        for place, folded in fold(entries)
    }


@pytest.mark.parametrize(
    "text",
    [
        RESET,
        RESET.replace("Hold the", "Please hold a").replace("reset button", "**Reset button**"),
        RESET.replace(". Then", ".\n\nThen"),
        RESET.replace("the label", "the [label](https://example.com/label)"),
        RESET.partition(". ")[0] + ".",
    ],
)
def test_a_copy_is_folded_into_the_one_that_was_found_first(text: str) -> None:
    assert shown(passage(1), passage(2, text)) == {1: [(2, Why.NEAR_DUPLICATE)]}


@pytest.mark.parametrize(
    "text",
    [
        RESET.replace("12", "30"),
        RESET.replace("12 seconds", "12 minutes"),
        RESET.replace("Hold", "Don't hold"),
        RESET.replace("Hold", "Never hold"),
        RESET.replace("until it is green", "before it is green"),
        RESET.replace("reset button", "power button"),
        RESET.replace("in with", "in without"),
        RESET + " Everything that was set is lost.",
        RESET.replace("green", ">green"),
        RESET.partition(". ")[2] + " " + RESET.partition(". ")[0] + ".",
    ],
)
def test_what_states_anything_else_stays(text: str) -> None:
    assert shown(passage(1), passage(2, text)) == {1: [], 2: []}


def test_a_longer_text_found_later_keeps_what_the_first_lacks() -> None:
    longer = passage(2, RESET + " Everything that was set is lost.")
    assert shown(passage(1), longer) == {1: [], 2: []}
    assert shown(longer, passage(1)) == {2: [(1, Why.NEAR_DUPLICATE)]}


def test_a_short_answer_means_what_its_heading_says() -> None:
    yes = "Yes, it is."
    assert shown(passage(1, yes, title="Is the Pro waterproof?"), passage(2, yes, title="Is the Air?")).keys() == {1, 2}
    assert shown(passage(1, yes), passage(2, yes)) == {1: [(2, Why.NEAR_DUPLICATE)]}
    long = (passage(1, title="Start"), passage(2, title="First steps"))
    assert shown(*long) == {1: [(2, Why.NEAR_DUPLICATE)]}
    assert shown(replace(long[0], title="Error E-4012"), replace(long[1], title="Error E-4013")).keys() == {1, 2}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"acl": ("group:staff",)}, {}),
        ({"kind": "case"}, {}),
        ({"kind": "approved_record"}, {"kind": "approved_record"}),
        ({"superseded_by": UUID(int=7)}, {}),
        ({"updated_at": NOW - timedelta(days=400)}, {}),
        ({"product_version": "3"}, {"product_version": "2"}),
        ({"product_version": "3"}, {}),
    ],
)
def test_nobody_stands_for_what_is_read_by_more_or_judged_otherwise(
    one: dict[str, object], two: dict[str, object]
) -> None:
    assert shown(passage(1, **one), passage(2, **two)).keys() == {1, 2}


def test_a_superseded_copy_is_another_version() -> None:
    old = passage(2, product_version="2", superseded_by=UUID(int=1001))
    assert shown(passage(1, product_version="3"), old) == {1: [(2, Why.OTHER_VERSION)]}


def test_of_versions_the_newest_is_shown() -> None:
    text = RESET + " This is how v{} does it."
    old = passage(1, text.format("3.9"), uri="docs/v3.9/reset.md")
    new = passage(2, text.format("3.10"), uri="docs/v3.10/reset.md")
    mirror = passage(3, text.format("3.9"), uri="mirror/v3.9/reset.md")
    assert section(old) == section(new) != section(mirror)
    assert shown(old, new) == {2: [(1, Why.OTHER_VERSION)]}
    assert shown(new, old) == {2: [(1, Why.OTHER_VERSION)]}
    assert shown(old, mirror, new) == {2: [(1, Why.OTHER_VERSION), (3, Why.NEAR_DUPLICATE)]}
    for changed in (
        replace(new, text=new.text.replace("12", "15")),
        replace(new, text=new.text.replace("v3.10", "v3.8")),
    ):
        assert shown(old, changed) == {1: [], 2: []}


def test_the_version_asked_about_is_shown() -> None:
    old, new = passage(1, uri="docs/v3.5/reset.md"), passage(2, uri="docs/v3.6/reset.md")
    assert shown(old, new, another=(False, True)).keys() == {1, 2}, (
        "the newer one is no newer form of the one asked about"
    )
    assert shown(new, old, another=(True, False)).keys() == {1, 2}


def test_an_older_version_stands_behind_the_newer_form_of_its_section() -> None:
    old = passage(1, "Twelve seconds.", uri="v3.5/reset.md", metadata={"heading_path": ["Reset"]})
    new = passage(2, "Fifteen seconds.", uri="v3.6/reset.md", metadata={"heading_path": ["Reset"]})
    other = replace(new, metadata={"heading_path": ["Guests"]})
    assert bounds([old, new], [0.8, 0.6]) == [0.6, 0.6]
    assert bounds([old, new], [0.5, 0.6]) == [0.5, 0.6]
    assert bounds([old, other], [0.8, 0.2]) == [0.8, 0.2], "another section says nothing of this one"
    assert bounds([old, replace(new, superseded_by=UUID(int=7))], [0.8, 0.6]) == [0.8, 0.6]


def test_a_page_that_another_stands_for_counts_behind_it() -> None:
    copy = Folded(UUID(int=3), UUID(int=1003), "pages/3.md", Why.NEAR_DUPLICATE, 0.4)
    signals = Signals(1.0, 0.5, 1.0, 0.0)
    found = [
        Found(passage(1), signals, 0.5, 0.5, (1, 1, 1, 1, 1, 1), (copy,)),
        Found(passage(2), signals, 0.4, 0.4, (2, 2, 2, 2, 2, 2)),
    ]
    assert pages(found, {f"pages/{number}.md": str(number) for number in (1, 2, 3)}) == ["1", "3", "2"]
