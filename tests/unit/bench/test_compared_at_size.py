"""Peers at size: what is said of them, and which goal is held."""

import signal
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import main
from bench.report import Table
from bench.search import compared, compared_at_size
from bench.search.compared_at_size import VECTORS, WORDS, Answers, Exact, Quality, Sized, table
from bench.search.synthetic import Question

GOOD = Quality(nearest=1.0, best=0.5, source=1.0)


def sized(ours: float, peers: dict[str, float], missing: dict[str, str] | None = None) -> Sized:
    answers = {name: Answers([], [ms] * 4, [ms / 2] * 4, 12.4) for name, ms in peers.items()}
    answers["Groundline"] = Answers([], [ours] * 4, [ours] * 4)
    quality = dict.fromkeys((*answers, VECTORS, WORDS), GOOD)
    return Sized(10_000, answers, quality, missing or {})


def test_the_goal_is_half_of_the_fastest_at_each_size() -> None:
    three = {"LangChain": 30.0, "LlamaIndex": 20.0, "Haystack": 50.0}
    made = table([sized(10.0, three), sized(10.1, three)], questions=4)
    assert [met for _, met in made.goals] == [True, False]
    assert "LlamaIndex" in made.goals[0][0]
    wanted = ["10,000", "LlamaIndex", "20.0 / 20.0 / 20.0", "10.0", "1.000", "0.500", "1.000", "12"]
    assert len(made.rows) == 8 and made.rows[1] == wanted
    assert made.rows[3][-1] == "–"


def test_a_peer_without_answers_is_named_and_takes_none_with_it() -> None:
    made = table([sized(10.0, {"Haystack": 50.0}, {"LangChain": "LangChain failed", "LlamaIndex": "took long"})], 4)
    assert made.rows[0] == ["10,000", "LangChain", *["–"] * 6]
    assert "10,000 chunks: LangChain failed" in made.notes and "10,000 chunks: took long" in made.notes
    assert made.goals == [("at 10,000 chunks p95 at most half of the fastest peer's: 10.0 ms, 0.20 of Haystack's 50.0",
                           True)]  # fmt: skip
    assert made.data["10000"]["LangChain"] == {"missing": "LangChain failed"}
    assert table([sized(10.0, {}, dict.fromkeys(("LangChain", "LlamaIndex", "Haystack"), "gone"))], 4).goals == []


def test_who_was_asked_fewer_is_named() -> None:
    made = table([sized(10.0, {"LangChain": 1.0, "LlamaIndex": 1.0, "Haystack": 1.0})], questions=5)
    assert [each for each in made.notes if "was asked only 4 questions" in each]


def test_quality_is_of_those_that_were_asked() -> None:
    vectors = np.eye(20, 24, dtype=np.float32) + 0.01
    exact = Exact([f"word{each} text" for each in range(20)], vectors)
    asked = [Question(f"word{each} other", vectors[each], each) for each in range(3)]
    found = exact.quality(asked, {"few": [[0, *range(10, 20)], [5, 6]], "all": [list(range(20))] * 3})
    assert found["few"].source == found["few"].best == 0.5
    assert 0 < found["few"].nearest < 1
    assert (found["all"].nearest, found["all"].best) == (1, 1)
    assert (found[VECTORS].nearest, found[WORDS].best) == (1, 1)


def test_sizes_take_the_place_of_the_sets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[object] = []

    def at_size(folder: Path, sizes: tuple[str, ...], *_: object) -> Table:
        ran.append((folder, sizes))
        return Table("peers", "by size", [], [])

    def on_sets(*_: object) -> Table:
        ran.append("sets")
        return Table("peers", "sets", [], [])

    # The test's own process keeps its handlers.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(compared_at_size, "run", at_size)
    monkeypatch.setattr(compared, "run", on_sets)
    assert main(["--only", "peers", "--json"]) == 0
    assert main(["--only", "peers", "--sizes", "10k,100k", "--keep", "kept", "--json"]) == 0
    assert ran == ["sets", (Path("kept"), ("10k", "100k"))]
    assert "by size" in capsys.readouterr().out
