"""The turn through the wire: one outcome for all that a customer said, whoever fails or interferes."""

import asyncio
from typing import Any

import pytest
from google.protobuf import json_format

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit import testing
from meshkit.ids import new_id
from svc_orchestrator import store
from svc_orchestrator.answering import AnswererError

from .scripted import FACT, Talk, evidence, failed, pack, passed

CUSTOMER, ASSISTANT = pb.MESSAGE_ROLE_CUSTOMER, pb.MESSAGE_ROLE_ASSISTANT
AGENT, SYSTEM = pb.MESSAGE_ROLE_AGENT, pb.MESSAGE_ROLE_SYSTEM
QUESTION = "How do I reset the router to factory settings?"


async def test_an_answer_carries_its_citations_and_completes_its_command(talk: Talk) -> None:
    customer = await talk.open()
    receipt = await customer.says(QUESTION)
    outcome = await talk.advance(customer)
    assert (outcome.outcome, outcome.turns) == (orchestration.ADVANCE_OUTCOME_ADVANCED, 1)
    asked, answer = await customer.chain()
    assert (asked.role, answer.role, answer.in_reply_to) == (CUSTOMER, ASSISTANT, receipt.message_id)
    assert answer.citations
    for citation in answer.citations:
        assert citation.quote in FACT
        assert citation.doc_uri == "manuals/reset.md"
        assert answer.content[citation.content_start : citation.content_end]
    session = await customer.session()
    assert session.latest_response_message_id == answer.message_id
    assert await talk.sql.fetchval("select status from messaging.outbox where type = 'advance_session'") == "done"
    again = await talk.advance(customer)
    assert again.outcome == orchestration.ADVANCE_OUTCOME_IDLE
    assert len(await customer.chain()) == 2


async def test_the_turn_is_on_record_with_pack_draft_verdict_and_timings(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    stub = await talk.mesh()
    (event,) = (await stub.ListEvents(orchestration.ListEventsRequest(session_id=customer.session_id))).events
    turn = event.turn
    assert turn.evidence_pack.evidence[0].text == FACT
    assert turn.draft.claims
    assert turn.verdict.decision == evaluation.DECISION_PASS
    stages = {each.stage for each in turn.timings}
    assert stages == {"capture", "understanding", "retrieval", "model", "evaluation", "commit", "overhead"}


async def test_a_burst_is_one_turn(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says("I have a router in the attic.")
    last = await customer.says(QUESTION)
    outcome = await talk.advance(customer)
    assert outcome.turns == 1
    chain = await customer.chain()
    assert [each.role for each in chain] == [CUSTOMER, CUSTOMER, ASSISTANT]
    assert chain[-1].in_reply_to == last.message_id
    assert len(talk.script.searches) == 1


@pytest.mark.parametrize(
    "reason",
    [
        rc.REASON_CODE_NO_EVIDENCE,
        rc.REASON_CODE_INSUFFICIENT_COVERAGE,
        rc.REASON_CODE_CONFLICTING_SOURCES,
        rc.REASON_CODE_STALE_SOURCES,
        rc.REASON_CODE_MISSING_CITATIONS,
        rc.REASON_CODE_UNSUPPORTED_CLAIM,
        rc.REASON_CODE_POLICY_RESTRICTED,
    ],
)
async def test_a_refused_draft_becomes_one_ticket_and_is_never_shown(talk: Talk, reason: Any) -> None:
    async def judge(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
        return failed(reason) if request.HasField("draft") else passed()

    talk.script.judge = judge
    customer = await talk.open()
    receipt = await customer.says(QUESTION)
    await talk.advance(customer)
    await talk.advance(customer)
    chain = await customer.chain()
    assert [each.role for each in chain] == [CUSTOMER, SYSTEM]
    assert FACT not in chain[-1].content
    session = await customer.session()
    assert (session.status, session.escalation_reason) == (pb.SESSION_STATUS_ESCALATED, reason)
    assert await talk.commands("create_ticket") == [f"ticket:{receipt.message_id}"]


async def test_a_hopeless_pack_is_escalated_without_a_draft(talk: Talk) -> None:
    async def judge(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
        assert not request.HasField("draft")
        return failed(rc.REASON_CODE_NO_EVIDENCE)

    talk.script.judge = judge
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    assert (await customer.session()).escalation_reason == rc.REASON_CODE_NO_EVIDENCE


async def test_the_ticket_carries_everything_known(talk: Talk) -> None:
    async def judge(request: evaluation.EvaluateRequest) -> evaluation.Verdict:
        return failed(rc.REASON_CODE_UNSUPPORTED_CLAIM) if request.HasField("draft") else passed()

    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    talk.script.judge = judge
    await customer.says("Does the reset delete my VPN profiles?")
    await talk.advance(customer)
    payload = await talk.sql.fetchval("select payload_json::text from messaging.outbox where type = 'create_ticket'")
    from groundline.commands.v1 import commands_pb2

    ticket = json_format.Parse(payload, commands_pb2.CreateTicket()).ticket
    assert [each.role for each in ticket.transcript] == [CUSTOMER, ASSISTANT, CUSTOMER]
    assert "VPN" in ticket.summary
    assert ticket.evidence_pack.evidence[0].text == FACT
    assert ticket.refused_draft.claims
    assert ticket.verdict.reason == ticket.escalation_reason == rc.REASON_CODE_UNSUPPORTED_CLAIM


def _raising(error: Exception) -> Any:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


async def test_retrieval_that_fails_is_an_escalation(talk: Talk) -> None:
    talk.script.search = _raising(RuntimeError("boom"))
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    assert (await customer.session()).escalation_reason == rc.REASON_CODE_RETRIEVAL_ERROR


NONSENSE = {
    "crash": None,
    "no decision": evaluation.Verdict(),
    "unknown decision": evaluation.Verdict(decision=99),  # type: ignore[arg-type]
    "not a number": evaluation.Verdict(decision=evaluation.DECISION_PASS, confidence=float("nan")),
    "failed without a reason": evaluation.Verdict(decision=evaluation.DECISION_FAIL, confidence=0.5),
    "passed with a reason": evaluation.Verdict(
        decision=evaluation.DECISION_PASS, reason=rc.REASON_CODE_NO_EVIDENCE, confidence=0.5
    ),
    "unknown reason": evaluation.Verdict(decision=evaluation.DECISION_FAIL, reason=99, confidence=0.5),  # type: ignore[arg-type]
    "passed unsupported": evaluation.Verdict(
        decision=evaluation.DECISION_PASS, confidence=0.9, supports=[evaluation.ClaimSupport(support=0.1, ok=False)]
    ),
}


@pytest.mark.parametrize("kind", NONSENSE)
async def test_an_evaluator_that_makes_no_sense_is_not_believed(talk: Talk, kind: str) -> None:
    verdict = NONSENSE[kind]

    async def judge(_: evaluation.EvaluateRequest) -> evaluation.Verdict:
        if verdict is None:
            raise RuntimeError("boom")
        return verdict

    talk.script.judge = judge
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    assert (await customer.session()).escalation_reason == rc.REASON_CODE_EVALUATOR_ERROR
    assert ASSISTANT not in [each.role for each in await customer.chain()]


@pytest.mark.parametrize("words", [None, "half a pair: \ud800", "nothing \0 to store"])
async def test_a_model_that_fails_is_an_escalation(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, words: str | None
) -> None:
    from svc_orchestrator.turn import TurnTaker

    class Broken:
        name = "broken"

        async def draft(self, *_: Any, **__: Any) -> Any:
            if words is None:
                raise AnswererError("no answer")
            return evaluation.Draft(claims=[evaluation.Claim(text=words)])

    taken = TurnTaker.take

    async def take(self: TurnTaker, *args: Any) -> Any:
        self._answerer = Broken()
        return await taken(self, *args)

    monkeypatch.setattr(TurnTaker, "take", take)
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    assert (await customer.session()).escalation_reason == rc.REASON_CODE_LLM_ERROR


async def test_a_wish_for_a_person_needs_no_search(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says("I want to talk to a human please")
    await talk.advance(customer)
    assert (await customer.session()).escalation_reason == rc.REASON_CODE_CUSTOMER_REQUEST
    assert talk.script.searches == []


async def test_a_greeting_gets_no_ticket(talk: Talk) -> None:
    async def judge(_: evaluation.EvaluateRequest) -> evaluation.Verdict:
        return failed(rc.REASON_CODE_NO_EVIDENCE)

    talk.script.judge = judge
    customer = await talk.open()
    await customer.says("Hello there!")
    await talk.advance(customer)
    assert (await customer.session()).status == pb.SESSION_STATUS_OPEN
    assert [each.role for each in await customer.chain()] == [CUSTOMER, SYSTEM]
    assert await talk.commands("create_ticket") == []


async def test_a_turn_that_keeps_dying_is_handed_over(talk: Talk) -> None:
    customer = await talk.open()
    await customer.says(QUESTION)
    # Three holders that died: none released, each lease ran out.
    await talk.sql.execute(
        "insert into conversation.leases (session_id, token, holder, expires_at, failed_turns) "
        "values ($1, 3, 'dead', now() - interval '1 second', 2)",
        customer.id,
    )
    await talk.advance(customer)
    assert (await customer.session()).escalation_reason == rc.REASON_CODE_TURN_FAILED
    assert await talk.sql.fetchval("select failed_turns from conversation.leases") == 0


class Held:
    """A search that waits until the test lets it go on."""

    def __init__(self, talk: Talk) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        talk.script.search = self.search

    async def search(self, request: Any) -> Any:
        self.begun.set()
        await self.go.wait()
        return pack(request.query, evidence())


async def test_a_takeover_beats_a_running_turn(talk: Talk) -> None:
    held = Held(talk)
    customer = await talk.open()
    await customer.says(QUESTION)
    running = asyncio.create_task(talk.advance(customer))
    await held.begun.wait()
    stub = await talk.mesh()
    await stub.EscalateSession(orchestration.EscalateSessionRequest(session_id=customer.session_id))
    held.go.set()
    await running
    assert [each.role for each in await customer.chain()] == [CUSTOMER, SYSTEM]
    assert len(await talk.commands("create_ticket")) == 1
    assert await talk.commands("add_ticket_comment") == []


async def test_an_agents_takeover_sends_what_was_unanswered_to_the_ticket(talk: Talk) -> None:
    held = Held(talk)
    customer = await talk.open()
    receipt = await customer.says(QUESTION)
    running = asyncio.create_task(talk.advance(customer))
    await held.begun.wait()
    stub = await talk.mesh()
    ticket_id = str(new_id())
    await stub.TakeOverSession(
        orchestration.TakeOverSessionRequest(session_id=customer.session_id, ticket_id=ticket_id)
    )
    held.go.set()
    await running
    assert [each.role for each in await customer.chain()] == [CUSTOMER]
    assert await talk.commands("create_ticket") == []
    assert await talk.commands("add_ticket_comment") == [f"comment:{receipt.message_id}"]
    session = await customer.session()
    assert (session.ticket_id, session.escalation_reason) == (ticket_id, rc.REASON_CODE_AGENT_TAKEOVER)


async def _stalled_while_another_answered(talk: Talk) -> list[int]:
    """A worker that is overtaken in mid-turn, as after a stop past its lease: what both of them wrote."""
    held = Held(talk)
    customer = await talk.open()
    await customer.says(QUESTION)
    stalled = asyncio.create_task(talk.advance(customer))
    await held.begun.wait()
    await talk.sql.execute("update conversation.leases set expires_at = now() - interval '1 second'")

    async def quick(request: Any) -> Any:
        return pack(request.query, evidence())

    talk.script.search = quick
    await talk.advance(customer)
    held.go.set()
    await asyncio.gather(stalled, return_exceptions=True)
    return [each.role for each in await customer.chain()]


async def test_an_overtaken_worker_changes_nothing(talk: Talk) -> None:
    assert await _stalled_while_another_answered(talk) == [CUSTOMER, ASSISTANT]


async def test_without_the_fence_it_would_answer_twice(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unguarded(*_: Any) -> bool:
        return True

    monkeypatch.setattr(store, "hold_lease", unguarded)
    assert await _stalled_while_another_answered(talk) == [CUSTOMER, ASSISTANT, ASSISTANT]


async def test_one_worker_at_a_time(talk: Talk) -> None:
    held = Held(talk)
    customer = await talk.open()
    await customer.says(QUESTION)
    running = asyncio.create_task(talk.advance(customer))
    await held.begun.wait()
    assert (await talk.advance(customer)).outcome == orchestration.ADVANCE_OUTCOME_BUSY
    held.go.set()
    assert (await running).turns == 1


async def test_a_message_that_comes_in_mid_turn_is_handled_too(talk: Talk) -> None:
    held = Held(talk)
    customer = await talk.open()
    await customer.says(QUESTION)
    running = asyncio.create_task(talk.advance(customer))
    await held.begun.wait()
    await customer.says("And how do I reset it with the app?")
    held.go.set()
    assert (await running).turns == 2
    roles = [each.role for each in await customer.chain()]
    assert roles.count(ASSISTANT) == 2


async def test_the_hint_alone_is_enough(database_url: str, keys: testing.Keys, tmp_path: Any) -> None:
    from .scripted import open_talk

    async with open_talk(database_url, keys, tmp_path, orchestrator_target="orchestrator") as talk:
        customer = await talk.open()
        await customer.says(QUESTION)

        async def answered() -> bool:
            return len(await customer.chain()) == 2

        await testing.eventually(answered)
