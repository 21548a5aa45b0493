"""What disagrees, and what only looks like it."""

import json
from pathlib import Path

import pytest

from groundline.evaluation.v1.evaluation_pb2 import CONFLICT_READING_UNSPECIFIED, Policy
from meshkit.text.words import words
from svc_evaluator.case import Line, Passage
from svc_evaluator.policy_files import SHIPPED, read_policy
from svc_evaluator.signals.conflict import disagree, disagreements

from .cases import POLICY, evidence, pack, verdict

SAME = Path(__file__).parents[4] / "shared/data/evals/etcd_versions/same.jsonl"


def line(text: str, *, header: str = "") -> Line:
    stems = frozenset(each.stem for each in words(text))
    return Line(0, len(text), text, stems, row=bool(header), header=header)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("One Acme 3 hub manages up to 6 Nodes.", "An Acme 3 hub supports a maximum of 8 Nodes."),
        (
            "The portal requires firmware 2.10 or later on an Acme 2.",
            "The portal requires firmware 2.4 or later on an Acme 2.",
        ),
        ("Devices can be returned within 30 days of delivery.", "Devices can be returned within 14 days of delivery."),
        ("Security updates for Acme 2 end on 31 December 2027.", "Security updates for Acme 2 end on 30 June 2026."),
        (
            "Backups of an Acme 2 are encrypted with the password.",
            "Backups of an Acme 2 are not encrypted with the password.",
        ),
    ],
)
def test_disagreement(one: str, other: str) -> None:
    assert disagree(line(one), line(other))
    assert disagree(line(other), line(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("An Acme 3 hub supports 8 Nodes.", "An Acme 3 hub supports 8 Nodes."),
        ("An Acme 3 hub supports eight Nodes.", "An Acme 3 hub supports a maximum of 8 Nodes."),
        ("An Acme 2 hub supports 4 Nodes at once.", "An Acme 3 hub supports 8 Nodes at once."),
        ("The plan Team includes 5 seats for users.", "The plan Business includes 20 seats for users."),
        ("The check takes 3 working days.", "The check takes 5 working days."),
        ("The hub restarts within 2 minutes.", "The hub restarts within 4 minutes."),
        (
            "With IPsec, all tunnels together reach 180 Mbit/s.",
            "With WireGuard, all tunnels together reach 900 Mbit/s.",
        ),
        (
            "If the lamp on the Acme 2 does not blink, press RESET.",
            "If the lamp on the Acme 2 does blink, press RESET.",
        ),
        ("A hub holds 40 widgets and weighs 2 kg.", "A hub holds 40 widgets and weighs very little."),
        ("See http://a.example:2379 for the example.", "See http://a.example:2380 for the example."),
    ],
)
def test_no_disagreement(one: str, other: str) -> None:
    assert not disagree(line(one), line(other))


def test_rows_disagree_under_the_same_columns_only() -> None:
    header = "| Product | SKU | EU |"
    one, other = line("| Acme 3 | A-3 | €389 |", header=header), line("| Acme 3 | A-3 | €419 |", header=header)
    assert disagree(one, other)
    assert not disagree(one, line("| Acme 3 | A-3 | €419 |", header="| Product | SKU | US |"))
    assert not disagree(one, line("| Acme 4 | A-4 | €419 |", header=header))
    assert not disagree(one, one)
    assert not disagree(one, line("Acme 3, A-3: €419"))


def test_passages_that_agree_across_versions_raise_no_alarm() -> None:
    if not SAME.is_file():
        pytest.skip("no folder with agreeing passages at hand: false alarms were not counted")
    pairs = [json.loads(each) for each in SAME.read_text(encoding="utf-8").splitlines()]
    assert len(pairs) >= 1000
    alarms = [each for each in pairs if disagree(line(each["a"]), line(each["b"]))]
    assert alarms == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Two numbers of the same thing, each in its place.
        (
            "The warranty of a tray lasts 36 months and the warranty of a lid lasts 24 months.",
            "The warranty of a tray lasts 36 months and the warranty of a lid lasts 48 months.",
        ),
        # A denial before the condition, one beside another, and one that moves what a number counts.
        ("Trays are replaced for free if the lid breaks.", "Trays are not replaced for free if the lid breaks."),
        ("A widget that cannot be read is kept in a tray.", "A widget that cannot be read is not kept in a tray."),
        ("The credit for a broken tray of a hub is £35.", "The credit for a broken tray of a hub is not £35."),
    ],
)
def test_word_for_word(one: str, other: str) -> None:
    for pair in ((line(one), line(other)), (line(other), line(one))):
        assert disagree(*pair)
        assert not disagree(*pair, word_for_word=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "The server doesn't accept more than 2GB of widgets.",
            "The server does not accept more than 2 GB of widgets.",
        ),
        ("The tray can't hold widgets of the hub.", "The tray cannot hold widgets of the hub."),
        ("Trays ship with the server since hub 3.6.", "Trays ship with the server since hub 3.6.2."),
        ("If the tray is open, the hub blinks green.", "If the tray is not open, the hub blinks green."),
        ("A tray of the hub holds 1,000 widgets.", "A tray of the hub holds 1000 widgets."),
        ("Put the tray under port LAN 1 of the hub.", "Put the tray under port LAN 3 of the hub."),
        ("The server never closes idle tunnels.", "The server does not close idle tunnels."),
    ],
)
def test_no_disagreement_word_for_word(one: str, other: str) -> None:
    assert not disagree(line(one), line(other))
    assert not disagree(line(other), line(one))


def found(one: str, other: str, *, titles: tuple[str, str] = ("One", "Other")) -> tuple[bool, bool]:
    """Whether two pages disagree, and whether they did before conflicts were read word for word."""
    first, second = (
        Passage(evidence(text, name=name, title=title), 0)
        for text, name, title in zip((one, other), ("one", "other"), titles, strict=True)
    )
    return any(disagreements(first, second)), any(disagreements(first, second, word_for_word=False))


def test_what_both_pages_say_is_no_conflict() -> None:
    earlier = "3.2.10 and 3.2.11 allow custom request size limits in server side."
    later = "3.2.12 allows custom request size limits for both server and client side."
    both = f"{earlier} {later}"
    assert found(both, both) == (False, True)
    assert found(earlier, later.replace("both server and client", "server"))[0]


def test_headings_and_code_state_nothing() -> None:
    heading = "# Step {} of upgrading one running server"
    assert found(heading.format(3), heading.format(5)) == (False, True)
    code = "```\nserver reports 40 healthy widgets of the tray: took {} ms\n```"
    assert found(code.format(2), code.format(3)) == (False, True)


def test_a_page_about_one_version_contradicts_none_about_another() -> None:
    text = "In the general case, upgrading the hub from {} to {} is a rolling upgrade{}."
    titles = ("Upgrade from 3.1 to 3.2", "Upgrade from 3.3 to 3.4")
    one, other = text.format("3.1", "3.2", ""), text.format("3.3", "3.4", "")
    assert found(one, other, titles=titles) == (False, True)
    assert found(one, other) == (True, True)
    # What the titles don't say is a difference all the same.
    timed = text.format("3.1", "3.2", " of 2 minutes"), text.format("3.3", "3.4", " of 9 minutes")
    assert found(*timed, titles=titles)[0]


def test_a_policy_reads_conflicts_as_it_always_did() -> None:
    sentence = "An Acme 3 holds up to 40 widgets in the tray and up to 4 widgets in the lid."
    question = "How many widgets does an Acme 3 hold in the lid?"
    pages = evidence(sentence), evidence(sentence.replace("4 widgets in the lid", "6 widgets in the lid"), name="other")
    earlier = read_policy(SHIPPED / "2026-11-25-conservative.json")
    assert earlier.conflict_reading == CONFLICT_READING_UNSPECIFIED
    now, before = (verdict(pack(*pages, question=question), policy=each) for each in (POLICY, earlier))
    assert (len(now.conflicts), len(before.conflicts)) == (1, 0)
    # The two differ in nothing else.
    same = Policy()
    same.CopyFrom(POLICY)
    same.version, same.description, same.conflict_reading = (
        earlier.version,
        earlier.description,
        earlier.conflict_reading,
    )
    assert same == earlier
