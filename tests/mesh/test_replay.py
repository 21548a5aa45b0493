"""A verdict can be judged again from its event alone: bit for bit, and by another policy."""

import json

import asyncpg
import grpc
import pytest
from google.protobuf import json_format

from cli import replaying
from cli.asking import ask, open_session
from cli.mesh import Mesh
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit.errors import from_rpc_error
from svc_evaluator.policy_files import SHIPPED

from ..stack import Live

QUESTIONS = (
    "My Lumen 3 was in storage for 8 months and now the console says E-4012",
    "what does the LM3-PRO cost?",
    "How many Nodes can one Lumen 3 gateway manage?",
    "Which satellites does the Lumen 3 orbit with?",
)


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
