"""Stored turns are judged again from their events alone: a hundred here, a thousand by `python -m evals.replays`."""

from pathlib import Path

import pytest

from db.bootstrap import OWNER
from evals.conversations import read_knowledge, read_questions
from evals.desk import open_desk
from evals.replays import Asked, Conversations, disturb

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
_TAMPER = """
update conversation.events set payload_json = jsonb_set(payload_json, '{turn,verdict,signals,0,value}', '0.123')
where event_id = (
    select event_id from conversation.events where jsonb_path_exists(payload_json, '$.turn.verdict.signals[0]')
    order by event_id limit 1
)
returning event_id::text
"""


def _silent(*_: object) -> None: ...


@pytest.mark.timeout(300)
async def test_no_verdict_differs_whatever_became_of_the_documents_and_a_touched_one_is_found() -> None:
    submissions = read_knowledge(SAMPLES / "knowledge")
    questions = [Asked(each.question, each.groups) for each in read_questions(SAMPLES / "questions.jsonl")]
    async with open_desk() as desk:
        await desk.ingest(submissions, _silent)
        conversations = await Conversations.open(desk)
        await conversations.ask(questions, _silent)
        found_before = await desk.search(questions[0].text)
        rewritten, deleted = await disturb(desk, submissions, _silent)
        assert rewritten + deleted == len(submissions)
        # The passages that the verdicts rest on are gone.
        gone = {each.passage.chunk_id for each in found_before.found}
        assert not gone & {each.passage.chunk_id for each in (await desk.search(questions[0].text)).found}

        replayed = await conversations.replay()
        assert replayed.judged >= 95
        assert replayed.differing == []
        assert replayed.outcomes["PASS"] > 30
        assert len(replayed.outcomes) >= 3

        owner = await desk.connect(OWNER)
        async with owner.connection() as conn:
            touched = await conn.fetchval(_TAMPER)
        assert (await conversations.replay()).differing == [touched]
