"""Exact names and version numbers in questions and texts."""

import pytest

from meshkit.text.exact_names import compared_in, exact_names, is_version, stands_in
from meshkit.text.versions import (
    is_for,
    matches,
    named_versions,
    numbered_names,
    speaks_of_another,
    version_of,
    versioned_names,
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("E-4012 on my acme 3", ["E-4012"]),
        ("price LM3-PRO-EU?", ["LM3-PRO-EU"]),
        ("LM-MNT-WALL in stock", ["LM-MNT-WALL"]),
        ("What changed in 3.6.2?", ["3.6.2"]),
        ("My order number is 7731904, where is it?", ["7731904"]),
        ("certified to ISO 27001", ["27001"]),
        ("5ghz drops, 30min, 2x, 24/7, 2nd floor, 100 Mbit/s", []),
        ("bought in 2022 for 40 users on 2026-04-21", []),
        ("Acme 3 and wifi-6 and Acme-2", []),
        ("mail me at bob@x1.example", []),
    ],
)
def test_exact_names(question: str, expected: list[str]) -> None:
    assert exact_names(question) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("E-4012", "see E4012.", True),
        ("e4012", "E-4012 means", True),
        ("E-4012", "E-40123", False),
        ("E-4012", "XE-4012", False),
        ("LM3-PRO", "LM3-PRO-EU", True),
        ("LM3-PRO-EU", "LM3-PRO-UK", False),
        ("3.6.2", "firmware v3.6.2,", True),
        ("3.6", "3.6.2", False),
        ("3.6.2", "3.6", False),
        ("27001", "270010", False),
    ],
)
def test_stands_in(name: str, text: str, expected: bool) -> None:
    assert stands_in(name, text) is expected


def test_a_version_can_be_held_against_a_range() -> None:
    assert is_version("2.6") and is_version("v3.5.1") and not is_version("E-4012")
    assert compared_in("2.6", "Versions before 2.8 must be upgraded first.")
    assert not compared_in("4.6", "Versions before 2.8 must be upgraded first.")
    assert not compared_in("2.6", "The current version is 2.8.")


def test_versions() -> None:
    assert matches("3", "3.6.2") and matches("3.6.2", "3") and not matches("3", "30") and not matches("3.5", "3.6")
    assert version_of(" V3 ", "kb/v2/x.md") == "3"
    assert version_of("", "kb/v3.5/x.md") == "3.5"
    assert version_of("", "kb/dev3/x.md") == ""
    pages = [("2", "Reset an Acme 2"), ("3", "Reset an Acme 3"), ("", "Route 66")]
    assert versioned_names(pages) == {"acme"}
    assert named_versions("reset my acme 3, 2 minutes ago", pages) == {"3"}
    assert named_versions("reset my acme3 please", pages) == {"3"}
    assert named_versions("is version 2.6 old?", pages) == {"2.6"}
    assert named_versions("is 2.6 old?", pages) == frozenset()
    assert named_versions("tool 3.5 defrag", [("3.5", "Defrag"), ("3.6", "Defrag")]) == {"3.5"}
    assert is_for("2", frozenset({"2.6"})) and is_for("", frozenset({"9"})) and is_for("2", frozenset())
    assert not is_for("2", frozenset({"3"}))


def test_a_text_about_another_of_the_same_name() -> None:
    named = numbered_names("does my acme 2 stay online for 3 days", ["The Acme 3 stays. Wait 3 days."])
    assert named == {"acme": frozenset({"2"})}
    assert speaks_of_another("An Acme 3 stays online.", named)
    assert not speaks_of_another("An Acme 3 stays online, an Acme 2 does not.", named)
    assert not speaks_of_another("It stays online.", named)
