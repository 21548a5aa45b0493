"""A second reader in the turn: asked only about what the gate lets pass, recorded, and failing closed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit import testing
from svc_evaluator.judgement import judge
from svc_evaluator.policy_files import SHIPPED, Policies

from ..models.scripted_server import HangUp, Reply, Scripted, ScriptedServer, answer, json_reply, predictions
from .scripted import FACT, Talk, failed, open_talk, passed

QUESTION = "How do I reset the router to factory settings?"
POLICY = Policies.from_folders(SHIPPED).get()
READERS = ("nli", "chat")


def _says(kind: str, *, yes: bool) -> Scripted:
    if kind == "nli":
        return predictions((0.97, 0.02, 0.01) if yes else (0.02, 0.08, 0.9))
    verdict = "supported" if yes else "contradicted"
    return answer(json.dumps({"claims": [{"index": 0, "verdict": verdict}], "answers_question": yes}))


@asynccontextmanager
async def _talk(
    database_url: str, keys: testing.Keys, folder: Path, kind: str, *replies: Scripted
) -> AsyncIterator[tuple[Talk, ScriptedServer]]:
    async with ScriptedServer() as server:
        settings: dict[str, Any] = {"second_reader_timeout_s": 1}
        if kind == "nli":
            server.predictions.extend(replies)
            settings |= {"nli_base_url": server.base_url, "nli_model": "scripted-nli"}
        else:
            server.chat.extend(replies)
            # No chat_model: the answer itself is extracted.
            settings |= {"chat_base_url": server.base_url, "second_reader_chat_model": "scripted-reader"}
        async with open_talk(database_url, keys, folder, orchestrator_settings=settings) as talk:

            async def by_the_gate(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
                if not request.HasField("draft"):
                    return passed()
                opinion = request.second_opinion if request.HasField("second_opinion") else None
                found = judge(request.question, request.evidence_pack, request.draft, POLICY, opinion)
                doubts = [each for each in found.signals if each.name.startswith("second_") and not each.ok]
                return failed(rc.REASON_CODE_UNSUPPORTED_CLAIM) if doubts else passed()

            talk.script.judge = by_the_gate
            yield talk, server


async def _turn(talk: Talk) -> tuple[Any, Any, Any]:
    """A question's outcome: the session, the last message of its chain, and the turn's record."""
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    session = await customer.session()
    stub = await talk.mesh()
    events = (await stub.ListEvents(orchestration.ListEventsRequest(session_id=session.session_id))).events
    return session, (await customer.chain())[-1], next(each.turn for each in events if each.HasField("turn"))


@pytest.mark.parametrize("kind", READERS)
async def test_an_answer_that_the_reader_agrees_with_is_shown_and_its_word_is_on_record(
    database_url: str, keys: testing.Keys, tmp_path: Path, kind: str
) -> None:
    async with _talk(database_url, keys, tmp_path, kind, _says(kind, yes=True)) as (talk, server):
        _, reply, turn = await _turn(talk)
        assert reply.role == pb.MESSAGE_ROLE_ASSISTANT
        assert [each.claim_index for each in turn.second_opinion.claims] == [0]
        assert turn.second_opinion.claims[0].entailment >= 0.97
        assert turn.second_opinion.HasField("answers_question") == (kind == "chat")
        assert turn.second_opinion.model.startswith("scripted-")
        assert "second_opinion" in [each.stage for each in turn.timings]
        assert len(server.requests) == 1
        assert FACT in json.dumps(server.requests[0].body)


@pytest.mark.parametrize("kind", READERS)
async def test_an_answer_that_the_reader_doubts_goes_to_a_person(
    database_url: str, keys: testing.Keys, tmp_path: Path, kind: str
) -> None:
    async with _talk(database_url, keys, tmp_path, kind, _says(kind, yes=False)) as (talk, _):
        session, reply, turn = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_UNSUPPORTED_CLAIM
        assert FACT not in reply.content
        assert turn.second_opinion.claims[0].contradiction > 0.5


@pytest.mark.parametrize("kind", READERS)
async def test_a_reader_that_says_yes_to_everything_is_not_asked_about_what_the_gate_refuses(
    database_url: str, keys: testing.Keys, tmp_path: Path, kind: str
) -> None:
    async with _talk(database_url, keys, tmp_path, kind, _says(kind, yes=True)) as (talk, server):

        async def refuse(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
            return failed(rc.REASON_CODE_MISSING_CITATIONS) if request.HasField("draft") else passed()

        talk.script.judge = refuse
        session, reply, turn = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_MISSING_CITATIONS
        assert FACT not in reply.content
        assert not turn.HasField("second_opinion")
        assert not server.requests


BROKEN: dict[str, tuple[str, tuple[Scripted, ...]]] = {
    "nli: 500": ("nli", (Reply(status=500, body=b"boom"),)),
    "nli: hangs up": ("nli", (HangUp(),)),
    "nli: stalls": ("nli", (Reply(b"{}", stall=True),)),
    "nli: garbage": ("nli", (json_reply([[{"label": "yes", "score": 1.0}]]),)),
    "chat: stalls": ("chat", (Reply(b"{}", stall=True),)),
    "chat: garbage, twice": ("chat", (answer("Looks good to me!"), answer("{nonsense"))),
    "chat: another shape, twice": ("chat", (answer('{"ok": true}'), answer('{"ok": true}'))),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_reader_that_fails_means_a_person(
    database_url: str, keys: testing.Keys, tmp_path: Path, name: str
) -> None:
    kind, replies = BROKEN[name]
    async with _talk(database_url, keys, tmp_path, kind, *replies) as (talk, _):
        session, reply, _ = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_EVALUATOR_ERROR
        assert reply.role == pb.MESSAGE_ROLE_SYSTEM
        assert FACT not in reply.content
        assert len(await talk.commands("create_ticket")) == 1
