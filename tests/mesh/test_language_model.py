"""Turns with a language model at a compatible endpoint: what it says is judged; when it fails, a person answers."""

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

from ..models.scripted_server import HangUp, Reply, Scripted, ScriptedServer, answer
from .scripted import FACT, Talk, failed, open_talk, passed

QUESTION = "How do I reset the router to factory settings?"
GOOD = json.dumps(
    {
        "claims": [
            {
                "text": "Hold the reset button for ten seconds.",
                "citations": [{"passage": "P1", "quote": "Hold the reset button for ten seconds"}],
            }
        ]
    }
)


@asynccontextmanager
async def _talk(
    database_url: str, keys: testing.Keys, folder: Path, *replies: Scripted, **told: Any
) -> AsyncIterator[Talk]:
    async with ScriptedServer() as server:
        server.chat.extend(replies)
        settings = {
            "chat_base_url": server.base_url,
            "chat_api_key": "sk-never-shown",
            "chat_model": "scripted-model",
            "draft_timeout_s": 10,
            **told,
        }
        async with open_talk(database_url, keys, folder, orchestrator_settings=settings) as talk:
            yield talk


async def _turn(talk: Talk) -> tuple[Any, Any]:
    """A question's outcome: the session, and the last message of its chain."""
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    return await customer.session(), (await customer.chain())[-1]


async def test_what_a_model_says_is_shown_with_its_citations_and_its_cost_is_on_record(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with _talk(database_url, keys, tmp_path, answer(GOOD)) as talk:
        session, reply = await _turn(talk)
        assert reply.role == pb.MESSAGE_ROLE_ASSISTANT
        assert reply.content == "Hold the reset button for ten seconds."
        assert [each.quote for each in reply.citations] == ["Hold the reset button for ten seconds"]
        stub = await talk.mesh()
        (event,) = (await stub.ListEvents(orchestration.ListEventsRequest(session_id=session.session_id))).events
        assert event.turn.draft.model == "scripted-model"
        assert (event.turn.draft.usage.prompt_tokens, event.turn.draft.usage.completion_tokens) == (11, 7)


async def test_a_forged_quote_reaches_the_gate_without_a_citation(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    forged = GOOD.replace('"quote": "Hold the reset button for ten seconds"', '"quote": "It resets itself"')
    async with _talk(database_url, keys, tmp_path, answer(forged)) as talk:
        seen = []

        async def judge(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
            if not request.HasField("draft"):
                return passed()
            seen.extend(request.draft.claims)
            return failed(rc.REASON_CODE_MISSING_CITATIONS)

        talk.script.judge = judge
        session, _ = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_MISSING_CITATIONS
        assert [len(each.citations) for each in seen] == [0]


INVENTED = GOOD.replace("ten seconds.", "ninety seconds.")


async def _with_a_gate_that_reads(talk: Talk) -> list[evaluation.EvaluateRequest]:
    """Refuses the invented claim; returns what it is asked."""
    asked: list[evaluation.EvaluateRequest] = []

    async def judge(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
        asked.append(request)
        if not any("ninety" in each.text for each in request.draft.claims):
            return passed()
        verdict = failed(rc.REASON_CODE_UNSUPPORTED_CLAIM)
        verdict.supports.add(claim_index=0, support=0.2, ok=False)
        return verdict

    talk.script.judge = judge
    return asked


async def _event_of(talk: Talk, session: Any) -> Any:
    stub = await talk.mesh()
    listed = await stub.ListEvents(orchestration.ListEventsRequest(session_id=session.session_id))
    return next(each for each in listed.events if each.HasField("turn"))


async def test_a_refused_draft_is_written_anew_once_and_both_are_on_record(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with _talk(database_url, keys, tmp_path, answer(INVENTED), answer(GOOD)) as talk:
        asked = await _with_a_gate_that_reads(talk)
        session, reply = await _turn(talk)
        assert reply.content == "Hold the reset button for ten seconds."
        turn = (await _event_of(talk, session)).turn
        assert "ninety" in turn.refused_attempt.draft.claims[0].text
        assert turn.refused_attempt.verdict.reason == rc.REASON_CODE_UNSUPPORTED_CLAIM
        assert "ten seconds" in turn.draft.claims[0].text
        assert turn.verdict.decision == evaluation.DECISION_PASS
        assert [each.HasField("draft") for each in asked] == [False, True, True]


async def test_a_second_refusal_is_the_last(database_url: str, keys: testing.Keys, tmp_path: Path) -> None:
    async with _talk(database_url, keys, tmp_path, answer(INVENTED), answer(INVENTED), answer(GOOD)) as talk:
        asked = await _with_a_gate_that_reads(talk)
        session, reply = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_UNSUPPORTED_CLAIM
        assert reply.role == pb.MESSAGE_ROLE_SYSTEM
        assert len(asked) == 3
        turn = (await _event_of(talk, session)).turn
        assert turn.refused_attempt.HasField("verdict")
        assert turn.verdict.reason == rc.REASON_CODE_UNSUPPORTED_CLAIM
        assert len(await talk.commands("create_ticket")) == 1


@pytest.mark.parametrize(
    ("second", "settings"),
    [
        (Reply(status=500), {}),
        (answer('{"claims": []}'), {}),
        (Reply(stall=True), {"draft_timeout_s": 1.5}),
        # 18 tokens for the first: too few are left for a second.
        (answer(GOOD), {"session_tokens": 30}),
    ],
    ids=["away", "nothing to say", "late", "tokens spent"],
)
async def test_without_a_usable_second_draft_the_first_refusal_stands(
    database_url: str, keys: testing.Keys, tmp_path: Path, second: Scripted, settings: dict[str, Any]
) -> None:
    async with _talk(database_url, keys, tmp_path, answer(INVENTED), second, **settings) as talk:
        await _with_a_gate_that_reads(talk)
        session, _ = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_UNSUPPORTED_CLAIM
        assert not (await _event_of(talk, session)).turn.HasField("refused_attempt")


async def test_a_conversation_whose_tokens_are_spent_goes_to_a_person(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with _talk(database_url, keys, tmp_path, answer(GOOD), answer(GOOD), session_tokens=18) as talk:
        customer = await talk.open()
        await customer.says(QUESTION)
        await talk.advance(customer)
        assert (await customer.chain())[-1].role == pb.MESSAGE_ROLE_ASSISTANT
        await customer.says("And how do I reset it with the app of the router?")
        await talk.advance(customer)
        assert (await customer.session()).escalation_reason == rc.REASON_CODE_LLM_ERROR


async def test_the_extractive_answerer_is_not_asked_twice(talk: Talk) -> None:
    asked = 0

    async def judge(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
        nonlocal asked
        asked += 1
        return failed(rc.REASON_CODE_UNSUPPORTED_CLAIM) if request.HasField("draft") else passed()

    talk.script.judge = judge
    session, _ = await _turn(talk)
    assert asked == 2
    assert not (await _event_of(talk, session)).turn.HasField("refused_attempt")


async def test_a_model_that_finds_no_answer_in_the_passages_is_believed(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with _talk(database_url, keys, tmp_path, answer('{"claims": []}')) as talk:
        session, reply = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_INSUFFICIENT_COVERAGE
        assert reply.role == pb.MESSAGE_ROLE_SYSTEM


BROKEN: dict[str, tuple[Scripted, ...]] = {
    "429": (Reply(status=429, headers={"Retry-After": "7"}),),
    "500": (Reply(status=500, body=b"boom"),),
    "hangs up": (HangUp(),),
    "garbage, twice": (answer("I would say: hold it down"), answer("{nonsense")),
    "empty": (answer(""), answer("")),
    "not HTTP's JSON": (Reply(b"<html>"),),
    "truncated": (Reply(b'{"choices": [{"message"', send_only=10),),
    "stalls": (Reply(stall=True),),
    "a byte now and then": (Reply(b'{"choices": []}', byte_every_s=0.3),),
    "10 MB": (Reply(b'"' + b"x" * 10_000_000 + b'"'),),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_model_that_misbehaves_means_a_person(
    database_url: str, keys: testing.Keys, tmp_path: Path, kind: str
) -> None:
    async with _talk(database_url, keys, tmp_path, *BROKEN[kind], draft_timeout_s=1) as talk:
        session, reply = await _turn(talk)
        assert session.escalation_reason == rc.REASON_CODE_LLM_ERROR
        assert reply.role == pb.MESSAGE_ROLE_SYSTEM
        assert FACT not in reply.content
        assert len(await talk.commands("create_ticket")) == 1
