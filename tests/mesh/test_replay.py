"""A verdict can be judged again from its event alone: bit for bit, and by another policy."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import grpc
import pytest
from google.protobuf import json_format

import svc_evaluator.wiring
from cli import replaying
from cli.asking import ask, open_session
from cli.mesh import Mesh
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2
from meshkit import testing
from meshkit.errors import from_rpc_error
from svc_evaluator.policy_files import SHIPPED
from svc_evaluator.settings import EvaluatorSettings

from ..models.scripted_server import ScriptedServer, answer
from ..stack import Live
from ..unit.evaluator.cases import QUESTION, evidence, pack
from .test_cli import run
from .whole_desk import open_whole_desk

QUESTIONS = (
    "My Lumen 3 was in storage for 8 months and now the console says E-4012",
    "what does the LM3-PRO cost?",
    "How many Nodes can one Lumen 3 gateway manage?",
    "Which satellites does the Lumen 3 orbit with?",
)
WIDGETS = "An Acme 3 can hold up to 40 widgets."


async def _asked(live: Live) -> set[str]:
    """Sessions in which each question has had its outcome."""
    sessions = set()
    for question in QUESTIONS:
        async with live.mesh(None) as visitor:
            session, token = await open_session(visitor, channel="web", knowledge_base=None)
        async with live.mesh(token) as customer:
            await ask(customer, session.session_id, question, timeout_s=30, progress=lambda _: None)
        sessions.add(session.session_id)
    return sessions


async def _replayed(
    mesh: Mesh, sessions: set[str], policy: evaluation.Policy | None = None
) -> list[replaying.Replayed]:
    events = [each async for each in replaying.turns(mesh, None, 100_000) if each.session_id in sessions]
    return [await replaying.replay(mesh, each, policy) for each in events]


async def test_every_verdict_is_the_same_again_from_its_event_alone(live: Live) -> None:
    sessions = await _asked(live)
    async with live.mesh(live.token("admin")) as mesh, live.owner() as conn:
        before = await _replayed(mesh, sessions)
        # The evaluator could not look at a document if it wanted to.
        assert await _evaluator_connections(conn) == 0
    assert len(before) == len(QUESTIONS)
    assert all(each.same for each in before)
    outcomes = [replaying.outcome(each.stored) for each in before]
    assert outcomes.count("PASS") == 2
    assert "CONFLICTING_SOURCES" in outcomes


async def test_a_conversation_leads_to_its_turns_and_to_all_that_the_gate_saw(live: Live) -> None:
    async with live.mesh(None) as visitor:
        session, token = await open_session(visitor, channel="web", knowledge_base=None)
    async with live.mesh(token) as customer:
        await ask(customer, session.session_id, QUESTIONS[2], timeout_s=30, progress=lambda _: None)
    shown = await run(
        live.stack.home.path, live.stack.edge_target, "session", "show", session.session_id, "--turns", "--json"
    )
    (turn,) = shown.json["turns"]
    assert (turn["outcome"], turn["question"]) == ("CONFLICTING_SOURCES", QUESTIONS[2])
    listed = await run(live.stack.home.path, live.stack.edge_target, "session", "show", session.session_id, "--turns")
    assert turn["event_id"] in listed.out
    again = await run(live.stack.home.path, live.stack.edge_target, "replay", turn["event_id"])
    assert again.code == 0, again
    assert "FAIL  conflict" in again.out
    assert again.out.count("  against ") >= 1
    assert again.out.endswith("1 verdict judged again, 0 differ.\n")


async def _evaluator_connections(conn: asyncpg.Connection) -> int:
    return int(await conn.fetchval("select count(*) from pg_stat_activity where application_name = 'evaluator'"))


async def test_a_verdict_that_was_touched_is_noticed(live: Live) -> None:
    sessions = await _asked(live)
    async with live.mesh(live.token("admin")) as mesh, live.owner() as conn:
        await conn.execute(
            "update conversation.events set payload_json = jsonb_set(payload_json, '{turn,verdict,confidence}', "
            "to_jsonb(0.123456)) where type = 'turn' and session_id = any($1::text[]::uuid[])",
            list(sessions),
        )
        assert not any(each.same for each in await _replayed(mesh, sessions))
        # Others replay the same stack.
        await conn.execute(
            "delete from conversation.events where type = 'turn' and session_id = any($1::text[]::uuid[])",
            list(sessions),
        )


def _shipped() -> evaluation.Policy:
    file = max(SHIPPED.glob("*.json"))
    return json_format.Parse(file.read_text(encoding="utf-8"), evaluation.Policy())


async def test_another_policy_shows_what_would_flip(live: Live) -> None:
    sessions = await _asked(live)
    policy = _shipped()
    policy.version = "tried"
    for threshold in policy.thresholds:
        if threshold.name == "answerability":
            threshold.threshold = 1.0
    flips = replaying.Flips()
    async with live.mesh(live.token("admin")) as mesh:
        for each in await _replayed(mesh, sessions, policy):
            flips.add(each)
    assert flips.counts == {("PASS", "INSUFFICIENT_COVERAGE"): 2}


async def test_a_policy_that_the_gate_can_not_go_by_is_refused(live: Live) -> None:
    async with live.mesh(live.token("admin")) as mesh:
        request = evaluation.EvaluateRequest(question="?", policy=evaluation.Policy(version="x"))
        request.policy.thresholds.add(name="no_such_signal", threshold=1)
        request.evidence_pack.evidence_pack_id = "0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e"
        request.evidence_pack.knowledge_base = "default"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await mesh.evaluation.Evaluate(request)
        refused = from_rpc_error(caught.value)
        assert refused.reason == "INVALID_REQUEST"
        assert any("no_such_signal" in each.description for each in refused.violations)


async def test_the_verdict_on_a_draft_that_was_written_anew_is_judged_again_too(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    said = [
        {"text": f"An Acme 3 can hold up to {count} widgets.", "citations": [{"passage": "P1", "quote": WIDGETS}]}
        for count in (60, 40)
    ]
    replies = iter(answer(json.dumps({"claims": [each]})) for each in said)
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(ScriptedServer())
        model.respond = lambda _: next(replies)
        settings = {"chat_base_url": model.base_url, "chat_api_key": "sk-never-shown", "chat_model": "scripted-model"}
        desk = await stack.enter_async_context(
            open_whole_desk(database_url, keys, tmp_path, orchestrator_settings=settings)
        )

        async def search(request: retrieval_pb2.SearchEvidenceRequest) -> evidence_pb2.EvidencePack:
            return pack(evidence(), question=request.query)

        desk.talk.script.search = search
        customer = await desk.talk.open()
        await customer.says(QUESTION)

        async def answered() -> bool:
            return len(await customer.chain()) == 2

        await testing.eventually(answered, timeout_s=30)
        orchestrator = await desk.talk.mesh()
        listed = await orchestrator.ListTurns(orchestration.ListTurnsRequest())
        # Another evaluator, which was never asked about it.
        parts = await svc_evaluator.wiring.wire(stack, EvaluatorSettings())
        evaluator = await stack.enter_async_context(testing.serve(*parts, keys=keys))
        async with Mesh(evaluator.target, keys.token("admin")) as mesh:
            (event,) = listed.events
            first, last = await replaying.replay_all(mesh, event)
            assert [replaying.outcome(each.stored) for each in (first, last)] == ["UNSUPPORTED_CLAIM", "PASS"]
            assert first.same
            assert last.same
            event.turn.refused_attempt.draft.claims[0].text = WIDGETS
            first, last = await replaying.replay_all(mesh, event)
            assert not first.same
            assert last.same


async def test_an_event_that_is_not_there_is_said(live: Live) -> None:
    async with live.mesh(live.token("admin")) as mesh:
        missing = orchestration.GetEventRequest(event_id="0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await mesh.orchestration.GetEvent(missing)
        assert from_rpc_error(caught.value).reason == "EVENT_NOT_FOUND"


def test_shipped_policies_stay_under_their_names_for_replay() -> None:
    files = sorted(SHIPPED.glob("*.json"))
    assert [json.loads(each.read_text(encoding="utf-8"))["version"] for each in files] == [each.stem for each in files]
    assert files[0].stem == "2026-11-22-conservative"
