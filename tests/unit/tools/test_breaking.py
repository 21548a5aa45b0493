"""Which commit the contracts are held against."""

import subprocess
from pathlib import Path

import pytest

from tools import breaking


class Repository:
    """A scratch repository whose branch is main."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.root, stdout=subprocess.PIPE, text=True, check=True, timeout=30
        )
        return done.stdout.strip()

    def commit(self, name: str, text: str) -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(breaking, "ROOT", tmp_path)
    monkeypatch.delenv("GROUNDLINE_CONTRACT_BASE", raising=False)
    return Repository(tmp_path)


def test_nothing_before_the_first_commit(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert breaking.base_commit() is None
    repository.commit("proto/a.proto", "1")
    assert breaking.base_commit() is None
    assert breaking.main() == 0
    assert "SKIPPED buf breaking" in capsys.readouterr().err


def test_the_tip_of_main_for_a_branch_and_for_changed_files(repository: Repository) -> None:
    tip = repository.commit("proto/a.proto", "1")
    (repository.root / "proto/a.proto").write_text("2", encoding="utf-8")
    assert breaking.base_commit() == (tip, "main")
    repository.git("switch", "--quiet", "--create", "change")
    repository.commit("proto/a.proto", "2")
    assert breaking.base_commit() == (tip, "main")


def test_the_commit_before_for_main_itself(repository: Repository) -> None:
    before = repository.commit("proto/a.proto", "1")
    repository.commit("proto/a.proto", "2")
    assert breaking.base_commit() == (before, "the commit before main")


def test_a_base_may_be_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    first = repository.commit("proto/a.proto", "1")
    repository.commit("proto/a.proto", "2")
    repository.commit("proto/a.proto", "3")
    monkeypatch.setenv("GROUNDLINE_CONTRACT_BASE", "HEAD~2")
    assert breaking.base_commit() == (first, "HEAD~2")
