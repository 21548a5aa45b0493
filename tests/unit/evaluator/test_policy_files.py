"""Policies are checked when they are read, and found by version."""

import json
from pathlib import Path
from typing import Any

import pytest

from svc_evaluator.policy_files import SHIPPED, Policies, PolicyNotFound, read_policy
from svc_evaluator.policy_shelf import PolicyShelf


def shipped() -> dict[str, Any]:
    return json.loads(max(SHIPPED.glob("*.json")).read_text(encoding="utf-8"))


def write(folder: Path, policy: dict[str, Any], name: str = "policy.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(policy), encoding="utf-8")
    return file


def test_the_greatest_version_is_in_force_unless_one_is_named(tmp_path: Path) -> None:
    write(tmp_path, shipped() | {"version": "9999-01-01-strict"})
    policies = Policies.from_folders(SHIPPED, tmp_path)
    assert policies.get().version == "9999-01-01-strict"
    named = shipped()["version"]
    assert Policies.from_folders(SHIPPED, tmp_path, in_force=named).get().version == named
    assert policies.get(named).version == named
    with pytest.raises(PolicyNotFound) as refused:
        policies.get("1999-01-01-none")
    assert refused.value.metadata == {"policy_version": "1999-01-01-none"}


def test_a_knowledge_base_is_judged_by_the_newest_policy_of_its_own(tmp_path: Path) -> None:
    for number, version in enumerate(("9999-01-01-080000-routers-a", "9999-01-01-070000-routers-b")):
        write(tmp_path, shipped() | {"version": version, "knowledge_base": "routers"}, f"{number}.json")
    policies = Policies.from_folders(SHIPPED, tmp_path)
    assert policies.get(knowledge_base="routers").version == "9999-01-01-080000-routers-a"
    # One that is for a knowledge base is never in force elsewhere, however new.
    assert policies.get(knowledge_base="default").version == policies.get().version == shipped()["version"]
    # Replay names the version, and what it is for does not matter.
    older = "9999-01-01-070000-routers-b"
    assert policies.get(older, knowledge_base="default").version == older
    with pytest.raises(ValueError, match="is for 'routers' only"):
        Policies.from_folders(SHIPPED, tmp_path, in_force=older)


def test_a_folder_that_is_not_there_holds_no_policies(tmp_path: Path) -> None:
    assert Policies.from_folders(SHIPPED, tmp_path / "none").get().version == shipped()["version"]


def test_without_the_policy_in_force_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no policy 'x'"):
        Policies.from_folders(SHIPPED, in_force="x")
    with pytest.raises(ValueError, match="there are: none"):
        Policies.from_folders(tmp_path)


def test_a_version_is_never_reused(tmp_path: Path) -> None:
    write(tmp_path, shipped())
    with pytest.raises(ValueError, match="is in another file"):
        Policies.from_folders(SHIPPED, tmp_path)


def test_what_is_wrong_with_a_policy_is_said(tmp_path: Path) -> None:
    good = shipped()
    thresholds = good["thresholds"]
    broken: dict[str, dict[str, Any]] = {
        "no threshold for coverage": {"thresholds": [each for each in thresholds if each["name"] != "coverage"]},
        "unknown signal mood": {"thresholds": [*thresholds, {"name": "mood", "threshold": 1}]},
        "conflict is there twice": {"thresholds": [*thresholds, {"name": "conflict", "threshold": 0}]},
        "stale can't bear a weight": {
            "thresholds": [each | ({"weight": 1} if each["name"] == "stale" else {}) for each in thresholds]
        },
        "knowledge_base": {"knowledgeBase": "Not A Name"},
        "a number is not finite": {"intercept": "NaN"},
        "version": {"version": ""},
        "required_slots": {"topics": [{"name": "t", "phrases": ["x"], "required_slots": ["mood"]}]},
        "Message type": {"colour": "red"},
    }
    for number, (message, change) in enumerate(broken.items()):
        with pytest.raises(ValueError, match=message) as refused:
            read_policy(write(tmp_path, good | change, f"{number}.json"))
        assert f"{number}.json is not a policy" in str(refused.value)


def test_a_new_file_is_taken_while_running(tmp_path: Path) -> None:
    shelf = PolicyShelf([SHIPPED, tmp_path / "policies"], in_force="")
    (tmp_path / "policies").mkdir()
    own = shipped() | {"version": "2026-11-22-080000-routers-a", "knowledge_base": "routers"}
    write(tmp_path / "policies", own)
    shelf.refresh()
    assert shelf.policies.get(knowledge_base="routers").version == own["version"]


def test_what_can_not_be_used_changes_nothing_while_running(tmp_path: Path) -> None:
    own = shipped() | {"version": "2026-11-22-080000-routers-a", "knowledge_base": "routers"}
    file = write(tmp_path, own)
    shelf = PolicyShelf([SHIPPED, tmp_path], in_force="")
    before = shelf.policies
    file.write_text("{", encoding="utf-8")
    shelf.refresh()
    assert shelf.policies is before
    # A version must judge as it did: under other rules it is refused.
    write(tmp_path, own | {"intercept": -9.0})
    shelf.refresh()
    assert shelf.policies is before
    write(tmp_path, own | {"intercept": -9.0, "version": "2026-11-22-090000-routers-b"})
    shelf.refresh()
    assert shelf.policies.get(knowledge_base="routers").intercept == -9.0
