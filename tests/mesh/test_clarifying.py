"""Asked back once instead of handed over: the conversation stays open, the reply is read together with the question."""

from pathlib import Path
from typing import Any

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit import testing
from svc_orchestrator.notices import SAY_MORE

from ..unit.evaluator.cases import evidence as page
from ..unit.evaluator.cases import pack
from .scripted import Customer, Talk, failed
from .whole_desk import open_whole_desk

OPEN, ESCALATED = pb.SESSION_STATUS_OPEN, pb.SESSION_STATUS_ESCALATED
ASKED_BACK = pb.MESSAGE_KIND_CLARIFYING_QUESTION


def _unclear() -> evaluation.Verdict:
    verdict = failed(rc.REASON_CODE_INSUFFICIENT_COVERAGE)
    verdict.clarification.kind = evaluation.CLARIFICATION_KIND_UNDERSPECIFIED
    return verdict


async def _unclear_whatever_is_said(_: Any) -> evaluation.Verdict:
    return _unclear()


async def _says(talk: Talk, customer: Customer, words: str) -> Any:
    await customer.says(words)
    await talk.advance(customer)
    return (await customer.chain())[-1]


async def test_the_customer_is_asked_back_and_no_ticket_is_made(talk: Talk) -> None:
    talk.script.judge = _unclear_whatever_is_said
    customer = await talk.open()
    asked = await _says(talk, customer, "it doesn't work")
    assert (asked.role, asked.kind, asked.content) == (pb.MESSAGE_ROLE_SYSTEM, ASKED_BACK, SAY_MORE)
    assert (await customer.session()).status == OPEN
    assert await talk.commands("create_ticket") == []
    stub = await talk.mesh()
    (event,) = (await stub.ListEvents(orchestration.ListEventsRequest(session_id=customer.session_id))).events
    assert event.turn.verdict.reason == rc.REASON_CODE_INSUFFICIENT_COVERAGE
    assert event.turn.verdict.HasField("clarification")
    assert event.turn.response_message_id == asked.message_id


async def test_a_second_failure_goes_to_a_person_with_all_that_was_said(talk: Talk) -> None:
    talk.script.judge = _unclear_whatever_is_said
    customer = await talk.open()
    await _says(talk, customer, "it doesn't work")
    told = await _says(talk, customer, "the router in the attic")
    assert told.kind == pb.MESSAGE_KIND_UNSPECIFIED
    session = await customer.session()
    assert (session.status, session.escalation_reason) == (ESCALATED, rc.REASON_CODE_INSUFFICIENT_COVERAGE)
    assert len(await talk.commands("create_ticket")) == 1
    assert talk.script.searches[-1].query == "it doesn't work the router in the attic"


async def test_a_wish_for_a_person_is_not_asked_about(talk: Talk) -> None:
    talk.script.judge = _unclear_whatever_is_said
    customer = await talk.open()
    await _says(talk, customer, "human")
    assert (await customer.session()).escalation_reason == rc.REASON_CODE_CUSTOMER_REQUEST
    other = await talk.open()
    await _says(talk, other, "it doesn't work")
    await _says(talk, other, "a person, please")
    assert (await other.session()).escalation_reason == rc.REASON_CODE_CUSTOMER_REQUEST


async def test_which_of_two_products_is_meant_is_asked_with_their_own_names_and_then_answered(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with open_whole_desk(database_url, keys, tmp_path) as desk:
        hubs = [
            page("An Acme 3 can hold up to 40 widgets.", name="3", title="Widgets in an Acme 3", version="3"),
            page("An Acme 2 can hold up to 20 widgets.", name="2", title="Widgets in an Acme 2", version="2"),
        ]

        async def search(request: Any) -> Any:
            return pack(*hubs, question=request.query)

        desk.talk.script.search = search
        customer = await desk.talk.open()
        await customer.says("How many widgets can an Acme hold?")

        async def replies(count: int) -> bool:
            return len(await customer.chain()) == count

        await testing.eventually(lambda: replies(2), timeout_s=30)
        asked = (await customer.chain())[-1]
        assert (asked.kind, asked.content) == (ASKED_BACK, "Which one do you mean: Acme 2 or Acme 3?")
        await customer.says("the Acme 3")
        await testing.eventually(lambda: replies(4), timeout_s=30)
        answer = (await customer.chain())[-1]
        assert answer.role == pb.MESSAGE_ROLE_ASSISTANT
        assert "40 widgets" in answer.content
        assert (await customer.session()).status == OPEN
