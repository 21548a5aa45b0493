"""A small fixed draw of each public set: no worse than `public_sets.json` by more than chance. Needs the sets' folder.

After a change that is meant to move them: `python -m tests.quality.test_public_sets` writes the file anew.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest

from evals.desk import Desk, open_desk
from evals.measuring import measure
from evals.sets import drawn, read_set
from evals.summary import summary

from .regressions import figures, regressions, turned_round

ROOT = Path(__file__).resolve().parents[2]
SETS = Path(os.environ.get("GROUNDLINE_EVAL_SETS") or ROOT.parent / "shared" / "data" / "evals")
STORED = Path(__file__).with_name("public_sets.json")
NAMES = ("stackfaq", "covidfaq", "squad2", "clapnq")
QUERIES, DOCUMENTS = 40, 60


def _silent(*_: object) -> None: ...


async def _measured(desk: Desk, name: str) -> dict[str, list[float]]:
    small = drawn(read_set(SETS / name), QUERIES, DOCUMENTS)
    return figures(summary(await measure(desk, small, _silent)))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", NAMES)
async def test_no_figure_fell_by_more_than_chance(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SETS / name).is_dir():
        pytest.skip(f"NOT TESTED: {SETS / name} is not there (GROUNDLINE_EVAL_SETS names the folder of sets)")
    before = json.loads(STORED.read_text())[name]
    async with open_desk() as desk:
        assert list(regressions(await _measured(desk, name), before)) == []
        if name == NAMES[0]:
            # The guard itself: an order turned round must be seen.
            monkeypatch.setattr(desk, "search", turned_round(desk))
            broken = list(regressions(await _measured(desk, name), before))
            assert any(each.startswith("ndcg_at_10") for each in broken)


def test_figures_within_chance_are_no_regression_and_others_are() -> None:
    now = {"ndcg_at_10": [0.9, 0.85, 0.95], "answered_wrongly": [0.2, 0.1, 0.3]}
    assert list(regressions(now, {"ndcg_at_10": [0.94], "answered_wrongly": [0.11]})) == []
    assert len(list(regressions(now, {"ndcg_at_10": [0.96], "answered_wrongly": [0.05]}))) == 2
    assert list(regressions({}, {"ndcg_at_10": [0.5]})) == ["ndcg_at_10: can't be told any more, stored 0.500"]
    nothing_found = {"ndcg_at_10": 0.0, "recall_at_20": 0.0, "auroc": None, "answered": 0, "wrongly_answered": 0}
    nothing_found |= {"ci95": {"ndcg_at_10": [0, 0], "recall_at_20": [0, 0]}, "n": {"answerable": 9, "unanswerable": 0}}
    assert figures(nothing_found)["ndcg_at_10"] == [0.0, 0, 0]
    assert list(regressions(now, {"ndcg_at_10": [0.5], "answered_wrongly": [0.9]})) == []


async def _store() -> None:
    found = {}
    for name in NAMES:
        async with open_desk() as desk:
            found[name] = await _measured(desk, name)
    STORED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(_store())
