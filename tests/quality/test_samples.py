"""The questions on `samples/`, asked of the whole product: no worse than what `baseline.json` holds.

`wrongly_answered` in it may only ever be lowered; its goal is 0. The other figures are raised when they have risen.
"""

import json
from pathlib import Path

import pytest

from evals.conversations import Outcome, converse, read_knowledge, read_questions, tally
from evals.desk import open_desk
from evals.turns import Turns

from .regressions import turned_round

ROOT = Path(__file__).resolve().parents[2]
BASELINE = json.loads(Path(__file__).with_name("baseline.json").read_text())
# Answers that may go either way between machines: vectors differ in their last digits.
NOISE = 2


@pytest.mark.timeout(300)
async def test_samples_are_answered_no_worse_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_desk() as desk:
        assert await desk.ingest(read_knowledge(ROOT / "samples" / "knowledge"), lambda *_: None) == 0
        questions = read_questions(ROOT / "samples" / "questions.jsonl")
        outcomes = await converse(Turns(desk), questions, lambda *_: None)
        monkeypatch.setattr(desk, "search", turned_round(desk))
        broken = tally(await converse(Turns(desk), questions[:25], lambda *_: None))
    found = tally(outcomes)
    assert found["questions"] == BASELINE["questions"], "new questions need a new baseline"
    assert found["wrongly_answered"] <= BASELINE["wrongly_answered"], found["wrong"]
    assert found["answered"] >= BASELINE["answered"] - NOISE, found["over_refusals"]
    assert found["refused"] >= BASELINE["refused"], found["wrong"]
    least = BASELINE["page_found_first"] - NOISE / found["answerable"]
    assert found["page_found_first"].value >= least
    # The guard itself: a ranking turned round must be seen.
    assert broken["page_found_first"].value < least
    assert_nothing_hidden_was_shown(outcomes)


def assert_nothing_hidden_was_shown(outcomes: list[Outcome]) -> None:
    asked = [each for each in outcomes if each.asked.forbidden_doc]
    assert asked
    assert not [each.asked.question for each in asked if each.asked.forbidden_doc in each.turn.evidence]
