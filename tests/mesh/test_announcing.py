"""What services tell the outside: in the transaction of the change, only if anybody asked, and nobody's words."""

import json
from typing import Any

import asyncpg
import pytest
from google.protobuf import json_format

from groundline.commands.v1 import commands_pb2 as commands
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.ticketing.v1 import ticketing_pb2 as ticketing
from groundline.webhooks.v1 import event_pb2 as pb
from meshkit import testing
from meshkit.ids import new_id

from .desk import Desk, change, comment, refusal
from .scripted import Talk, failed

EVERYTHING = [name.removeprefix("EVENT_TYPE_").lower() for name in pb.EventType.keys()[1:]]
QUESTION = "How do I reset the router to factory settings?"


async def listen(db: asyncpg.Connection, *types: str) -> None:
    """An endpoint that asks for these types."""
    await db.execute(
        "insert into messaging.webhook_endpoints (endpoint_id, url, event_types) values ($1, 'https://x.example', $2)",
        new_id(),
        list(types),
    )


async def told(db: asyncpg.Connection) -> list[pb.Event]:
    """What is to be published, in the order of its writing. Nothing of it says more than identifiers and states."""
    rows = await db.fetch("select * from messaging.outbox where type = 'publish_event' order by outbox_id")
    events = []
    for row in rows:
        event = commands.PublishEvent()
        json_format.ParseDict(json.loads(row["payload_json"]), event)
        assert row["idempotency_key"] == f"event:{event.event.event_id}"
        assert row["ordering_key"] is None, "what is outside must not hold a conversation up"
        assert event.event.occurred_at.seconds
        assert not {"reset", "router", "words", "secret"} & set(row["payload_json"].lower().replace('"', " ").split())
        events.append(event.event)
    return events


async def test_an_answer_an_escalation_and_a_resolution_are_told(talk: Talk) -> None:
    await listen(talk.sql, *EVERYTHING)
    customer = await talk.open()
    receipt = await customer.says(QUESTION)
    await talk.advance(customer)
    _, answer = await customer.chain()
    (answered,) = await told(talk.sql)
    assert answered.type == pb.EVENT_TYPE_MESSAGE_ANSWERED
    assert answered.message == pb.MessageSubject(
        message_id=answer.message_id, session_id=customer.session_id, in_reply_to=receipt.message_id
    )
    event_id = await talk.sql.fetchval("select event_id::text from conversation.events where type = 'turn'")
    assert answered.event_id == event_id, "the event's id is that of the record"

    async def refuse(_: Any) -> Any:
        return failed(rc.REASON_CODE_UNSUPPORTED_CLAIM)

    talk.script.judge = refuse
    await customer.says(QUESTION)
    await talk.advance(customer)
    _, escalated = await told(talk.sql)
    assert escalated.type == pb.EVENT_TYPE_SESSION_ESCALATED
    assert escalated.session == pb.SessionSubject(
        session_id=customer.session_id, reason=rc.REASON_CODE_UNSUPPORTED_CLAIM
    )
    stub = await talk.mesh()
    request = orchestration.ResolveSessionRequest(session_id=customer.session_id, resolved_by="customer")
    await stub.ResolveSession(request)
    await stub.ResolveSession(request)
    *_, resolved = await told(talk.sql)
    assert len(await told(talk.sql)) == 3, "a resolution that is asked for twice is told once"
    assert resolved.type == pb.EVENT_TYPE_SESSION_RESOLVED
    assert resolved.session.session_id == customer.session_id


async def test_a_greeting_is_no_answer_and_nobody_listening_costs_no_row(talk: Talk) -> None:
    silent = await talk.open()
    await silent.says(QUESTION)
    await talk.advance(silent)
    assert await told(talk.sql) == []
    await listen(talk.sql, "session_escalated")
    heard = await talk.open()
    await heard.says(QUESTION)
    await talk.advance(heard)
    assert await told(talk.sql) == [], "not of this type"
    await talk.sql.execute("update messaging.webhook_endpoints set event_types = $1", EVERYTHING)
    greeting = await talk.open()
    await greeting.says("Hello!")
    await talk.advance(greeting)
    assert await told(talk.sql) == []


async def test_a_customers_wish_is_told_with_the_commit(talk: Talk) -> None:
    await listen(talk.sql, "session_escalated")
    customer = await talk.open()
    stub = await talk.mesh()
    request = orchestration.EscalateSessionRequest(session_id=customer.session_id, note="secret words")
    await stub.EscalateSession(request)
    await stub.EscalateSession(request)
    (event,) = await told(talk.sql)
    assert event.session.reason == rc.REASON_CODE_CUSTOMER_REQUEST


async def test_tickets_are_told_as_they_are_after_each_change(desk: Desk) -> None:
    await listen(desk.db, "ticket_created", "ticket_updated")
    ticket = await desk.ticket(summary="secret words", request_id="one")
    again = await desk.ticket(session_id=ticket.session_id, summary="secret words", request_id="one")
    assert again.ticket_id == ticket.ticket_id
    (created,) = await told(desk.db)
    assert created.type == pb.EVENT_TYPE_TICKET_CREATED
    assert created.ticket == pb.TicketSubject(
        ticket_id=ticket.ticket_id,
        session_id=ticket.session_id,
        status=ticketing.TICKET_STATUS_OPEN,
        priority=ticketing.TICKET_PRIORITY_NORMAL,
        reason=rc.REASON_CODE_NO_EVIDENCE,
        etag=ticket.etag,
    )
    agent = desk.stub("agent")
    urgent = await agent.UpdateTicket(change(ticket.ticket_id, priority=ticketing.TICKET_PRIORITY_URGENT))
    await agent.UpdateTicket(change(ticket.ticket_id, priority=ticketing.TICKET_PRIORITY_URGENT))
    _, updated = await told(desk.db)
    assert (updated.ticket.priority, updated.ticket.etag) == (ticketing.TICKET_PRIORITY_URGENT, urgent.ticket.etag)
    refused = await refusal(agent.UpdateTicket(change(ticket.ticket_id, status=ticketing.TICKET_STATUS_CLOSED)))
    assert refused.reason == "STATUS_TRANSITION_INVALID"
    assert len(await told(desk.db)) == 2, "what was refused has not happened"

    await agent.CreateComment(
        comment(ticket.ticket_id, body="secret words", visibility=ticketing.COMMENT_VISIBILITY_INTERNAL)
    )
    assert len(await told(desk.db)) == 2, "a note changes no state"
    await agent.CreateComment(comment(ticket.ticket_id, body="secret words"))
    *_, pending = await told(desk.db)
    stored = await desk.db.fetchval("select revision::text from ticketing.tickets")
    assert (pending.ticket.status, pending.ticket.etag) == (ticketing.TICKET_STATUS_PENDING, stored)
    resolved = await agent.UpdateTicket(change(ticket.ticket_id, status=ticketing.TICKET_STATUS_RESOLVED))
    *_, last = await told(desk.db)
    assert (last.ticket.status, last.ticket.etag) == (ticketing.TICKET_STATUS_RESOLVED, resolved.ticket.etag)
    assert len({each.event_id for each in await told(desk.db)}) == 4


@pytest.mark.parametrize("role", ["orchestrator", "ticketing"])
async def test_whoever_announces_sees_no_address_and_no_secret(database_url: str, role: str) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    conn = await asyncpg.connect(testing.database_url(database_url, name, user=f"groundline_{role}"))
    try:
        assert await conn.fetch("select state, event_types from messaging.webhook_endpoints") == []
        for column in ("url", "sealed_secret", "*"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"select {column} from messaging.webhook_endpoints")
    finally:
        await conn.close()
