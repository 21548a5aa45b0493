"""From escalated to resolved and back: replies come once, resolutions hold, a reopened conversation starts afresh."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import event_pb2
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from meshkit import outbox
from meshkit.ids import new_id

from .scripted import Customer, Talk, failed, passed

QUESTION = "How do I reset the router to factory settings?"


async def _escalated(talk: Talk) -> Customer:
    async def refuse(_: evaluation.EvaluateRequest) -> evaluation.Verdict:
        return failed(rc.REASON_CODE_NO_EVIDENCE)

    talk.script.judge = refuse
    customer = await talk.open()
    await customer.says(QUESTION)
    await talk.advance(customer)
    return customer


async def _with_ticket(talk: Talk) -> tuple[Customer, str]:
    customer, ticket_id = await _escalated(talk), str(new_id())
    stub = await talk.mesh()
    for _ in range(2):
        await stub.AttachTicket(orchestration.AttachTicketRequest(session_id=customer.session_id, ticket_id=ticket_id))
    return customer, ticket_id


async def test_what_a_customer_adds_goes_to_the_ticket_once(talk: Talk) -> None:
    customer = await _escalated(talk)
    receipt = await customer.says("It blinks red, by the way.")
    await asyncio.gather(*(talk.advance(customer) for _ in range(5)))
    await talk.advance(customer)
    assert await talk.commands("add_ticket_comment") == [f"comment:{receipt.message_id}"]
    assert len(await talk.commands("create_ticket")) == 1


async def test_a_reply_comes_in_once_however_often_it_is_delivered(talk: Talk) -> None:
    customer, ticket_id = await _with_ticket(talk)
    stub = await talk.mesh()
    request = orchestration.RecordReplyRequest(
        session_id=customer.session_id,
        ticket_id=ticket_id,
        comment_id=str(new_id()),
        author_name="Ada",
        body="Press it for ten seconds.",
    )
    answers = await asyncio.gather(*(stub.RecordReply(request) for _ in range(10)))
    assert len({each.message_id for each in answers}) == 1
    replies = [each for each in await customer.chain() if each.role == pb.MESSAGE_ROLE_AGENT]
    assert [(each.content, each.author_name) for each in replies] == [("Press it for ten seconds.", "Ada")]


async def test_a_resolved_ticket_resolves_the_conversation_and_asks_for_its_case_once(talk: Talk) -> None:
    customer, ticket_id = await _with_ticket(talk)
    stub = await talk.mesh()
    request = orchestration.ResolveSessionRequest(
        session_id=customer.session_id, ticket_id=ticket_id, resolved_by="ada"
    )
    await asyncio.gather(*(stub.ResolveSession(request) for _ in range(5)))
    assert (await customer.session()).status == pb.SESSION_STATUS_RESOLVED
    assert len(await talk.commands("summarize_case")) == 1
    assert await talk.commands("resolve_ticket") == []


async def test_a_case_that_is_not_written_yet_does_not_keep_the_next_ticket_waiting(talk: Talk) -> None:
    customer, ticket_id = await _with_ticket(talk)
    first = await outbox.claim(talk.sql, {"create_ticket": 1}, lease_s=30)
    assert await outbox.complete(talk.sql, first[0])
    mesh = await talk.mesh()
    await mesh.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, ticket_id=ticket_id, resolved_by="ada")
    )
    await customer.says(QUESTION)
    await talk.advance(customer)
    assert len(await talk.commands("summarize_case")) == 1
    second = await outbox.claim(talk.sql, {"create_ticket": 1}, lease_s=30)
    assert [each.key for each in second] == [(await talk.commands("create_ticket"))[-1]]


async def test_a_customer_who_closes_the_conversation_closes_its_ticket(talk: Talk) -> None:
    customer, _ = await _with_ticket(talk)
    stub = await talk.mesh()
    await stub.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, resolved_by="customer")
    )
    assert len(await talk.commands("resolve_ticket")) == 1


@pytest.mark.parametrize("escalated", [False, True])
async def test_what_a_customer_said_before_closing_does_not_open_the_conversation_again(
    talk: Talk, escalated: bool
) -> None:
    customer = await talk.open()
    if escalated:
        await customer.says("I want to talk to a human.")
        await talk.advance(customer)
    said = await customer.says("Never mind, it works again.")
    mesh = await talk.mesh()
    await mesh.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, resolved_by="customer")
    )
    outcome = await talk.advance(customer)
    assert outcome.outcome == orchestration.ADVANCE_OUTCOME_IDLE
    assert (await customer.session()).status == pb.SESSION_STATUS_RESOLVED
    pending = "select count(*) from messaging.outbox where type = 'advance_session' and status = 'pending'"
    assert await talk.sql.fetchval(pending) == 0
    # A person who has the ticket still reads it.
    assert await talk.commands("add_ticket_comment") == ([f"comment:{said.message_id}"] if escalated else [])


async def test_a_customer_who_closes_in_mid_turn_gets_no_answer_and_stays_resolved(talk: Talk) -> None:
    customer = await talk.open()
    mesh = await talk.mesh()
    search = talk.script.search

    async def closing(request: Any) -> Any:
        await mesh.ResolveSession(
            orchestration.ResolveSessionRequest(session_id=customer.session_id, resolved_by="customer")
        )
        return await search(request)

    talk.script.search = closing
    await customer.says("How do I reset the router to factory settings?")
    await talk.advance(customer)
    assert (await customer.session()).status == pb.SESSION_STATUS_RESOLVED
    assert [each.role for each in await customer.chain()] == [pb.MESSAGE_ROLE_CUSTOMER]


async def test_a_ticket_that_comes_after_the_customer_left_is_resolved_too(talk: Talk) -> None:
    customer, ticket_id = await _escalated(talk), str(new_id())
    stub = await talk.mesh()
    await stub.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, resolved_by="customer")
    )
    await stub.AttachTicket(orchestration.AttachTicketRequest(session_id=customer.session_id, ticket_id=ticket_id))
    assert await talk.commands("resolve_ticket") == [f"resolve-ticket:{ticket_id}"]


async def test_an_old_ticket_does_not_resolve_a_new_escalation(talk: Talk) -> None:
    customer, _ = await _with_ticket(talk)
    stub = await talk.mesh()
    answer = await stub.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, ticket_id=str(new_id()), resolved_by="ada")
    )
    assert answer.status == pb.SESSION_STATUS_ESCALATED


async def test_a_message_on_a_resolved_conversation_opens_it_with_a_fresh_context(talk: Talk) -> None:
    customer, ticket_id = await _with_ticket(talk)
    stub = await talk.mesh()
    await stub.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, ticket_id=ticket_id, resolved_by="ada")
    )

    async def accept(_: evaluation.EvaluateRequest) -> evaluation.Verdict:
        return passed()

    talk.script.judge = accept
    # It leans on what was said before, and that is forgotten.
    await customer.says("and what about it?")
    await talk.advance(customer)
    assert (await customer.session()).status == pb.SESSION_STATUS_OPEN
    assert talk.script.searches[-1].query == "and what about it?"
    events = await stub.ListEvents(orchestration.ListEventsRequest(session_id=customer.session_id, page_size=100))
    kinds = [each.type for each in events.events]
    assert kinds.count(event_pb2.EVENT_TYPE_REOPENED) == 1
    assert kinds[-1] == event_pb2.EVENT_TYPE_TURN


async def test_a_second_escalation_waits_for_a_ticket_of_its_own(talk: Talk) -> None:
    customer, ticket_id = await _with_ticket(talk)
    stub = await talk.mesh()
    await stub.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, ticket_id=ticket_id, resolved_by="ada")
    )
    await customer.says("Does it work under water?")
    await talk.advance(customer)
    session = await customer.session()
    assert session.status == pb.SESSION_STATUS_ESCALATED
    # The comment worker must not find the old one.
    assert not session.HasField("ticket_id")
    assert len(await talk.commands("create_ticket")) == 2


async def test_the_record_has_pages(talk: Talk) -> None:
    customer, _ = await _with_ticket(talk)
    stub = await talk.mesh()
    found, token = [], ""
    while True:
        page = await stub.ListEvents(
            orchestration.ListEventsRequest(session_id=customer.session_id, page_size=1, page_token=token)
        )
        found += [UUID(each.event_id) for each in page.events]
        token = page.next_page_token
        if not token:
            break
    assert len(found) == len(set(found)) == 3
