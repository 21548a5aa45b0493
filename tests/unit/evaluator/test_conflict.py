"""What disagrees, and what only looks like it."""

import json
from pathlib import Path

import pytest

from meshkit.text.words import words
from svc_evaluator.case import Line
from svc_evaluator.signals.conflict import disagree

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
    assert len(alarms) <= 1, alarms
