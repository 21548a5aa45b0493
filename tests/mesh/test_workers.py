"""The delivery worker through the wire."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from google.rpc import code_pb2

from groundline.commands.v1 import command_service_pb2, command_service_pb2_grpc
from groundline.commands.v1 import commands_pb2 as commands
from groundline.conversation.v1 import conversation_pb2, conversation_service_pb2
from groundline.orchestration.v1 import orchestration_service_pb2
from groundline.ticketing.v1 import error_reason_pb2 as ticketing_reasons
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit import testing
from meshkit.errors import DependencyUnavailable, DomainError, from_rpc_error
from svc_workers.wiring import wire_delivery

from .worker_mesh import Mesh, run, uuid

COMMANDS = command_service_pb2.DESCRIPTOR.services_by_name["CommandService"]


class TicketAlreadyOpen(DomainError):
    code, reason = code_pb2.ALREADY_EXISTS, ticketing_reasons.ERROR_REASON_TICKET_ALREADY_OPEN
    reasons, message = ticketing_reasons.ErrorReason, "open"


class TicketClosed(DomainError):
    code, reason = code_pb2.FAILED_PRECONDITION, ticketing_reasons.ERROR_REASON_TICKET_CLOSED
    reasons, message = ticketing_reasons.ErrorReason, "closed"


class SessionNotFound(DomainError):
    code, reason = code_pb2.NOT_FOUND, ticketing_reasons.ERROR_REASON_SESSION_NOT_FOUND
    reasons, message = ticketing_reasons.ErrorReason, "none"


@pytest.fixture(params=["embedded", "amqp"])
async def delivery(
    request: pytest.FixtureRequest, database_url: str, keys: testing.Keys, tmp_path: Path
) -> AsyncIterator[Mesh]:
    road = {"road": request.param}
    if request.param == "amqp":
        road["amqp_url"] = request.getfixturevalue("rabbitmq").url
    async with run(wire_delivery, database_url, keys, tmp_path, **road) as mesh:
        yield mesh


async def test_what_is_old_is_forgotten_by_a_worker_in_its_own_role(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    db = await asyncpg.connect(database_url)
    for key, age in (("old", "8 days"), ("new", "6 days")):
        await db.execute("insert into messaging.inbox values ('t', $1, now() - $2::text::interval)", key, age)
        await db.execute(
            "insert into knowledge.answered_requests values ('m', 's', $1, '', 'r', true, now() - $2::text::interval)",
            key,
            age,
        )
    left = "select key from messaging.inbox union all select request_id from knowledge.answered_requests"

    async def forgotten() -> bool:
        return [row[0] for row in await db.fetch(left)] == ["new", "new"]

    async with run(wire_delivery, database_url, keys, tmp_path):
        await testing.eventually(forgotten)
    await db.close()


async def test_a_message_is_advanced_also_when_the_session_was_busy(delivery: Mesh) -> None:
    busy, done = (
        orchestration_service_pb2.AdvanceSessionResponse(outcome=outcome)
        for outcome in (
            orchestration_service_pb2.ADVANCE_OUTCOME_BUSY,
            orchestration_service_pb2.ADVANCE_OUTCOME_ADVANCED,
        )
    )
    delivery.peers.say("AdvanceSession", busy, done)
    session = uuid()
    row = await delivery.done(
        commands.AdvanceSession(session_id=session, message_id=uuid()), "advance_session", "advance:1"
    )
    assert [each.session_id for each in delivery.peers.asked("AdvanceSession")] == [session, session]
    assert row["attempts"] == 1, "waiting for a busy session costs no attempt"


async def test_an_escalation_gets_its_ticket_and_the_session_learns_of_it(delivery: Mesh) -> None:
    ticket_id, session = uuid(), uuid()
    delivery.peers.say(
        "CreateTicket",
        ticketing_service_pb2.CreateTicketResponse(ticket=ticketing_pb2.Ticket(ticket_id=ticket_id)),
    )
    request = ticketing_service_pb2.CreateTicketRequest(session_id=session, request_id="ticket:1", summary="s")
    await delivery.done(commands.CreateTicket(ticket=request), "create_ticket", "ticket:1")
    assert delivery.peers.asked("CreateTicket") == [request]
    (attached,) = delivery.peers.asked("AttachTicket")
    assert (attached.session_id, attached.ticket_id) == (session, ticket_id)


async def test_an_open_ticket_is_taken_instead_of_a_second_one(delivery: Mesh) -> None:
    standing, session = uuid(), uuid()
    delivery.peers.say("CreateTicket", TicketAlreadyOpen(session_id=session, ticket_id=standing))
    known, new = (
        ticketing_pb2.TranscriptEntry(message_id=uuid(), role=conversation_pb2.MESSAGE_ROLE_CUSTOMER, content=content)
        for content in ("before", "now")
    )
    answer = ticketing_pb2.TranscriptEntry(message_id=uuid(), role=conversation_pb2.MESSAGE_ROLE_ASSISTANT, content="a")
    delivery.peers.say(
        "GetTicket", ticketing_service_pb2.GetTicketResponse(ticket=ticketing_pb2.Ticket(transcript=[known]))
    )
    request = ticketing_service_pb2.CreateTicketRequest(
        session_id=session, request_id="ticket:2", transcript=[known, answer, new]
    )
    await delivery.done(commands.CreateTicket(ticket=request), "create_ticket", "ticket:2")
    assert delivery.peers.asked("AttachTicket")[0].ticket_id == standing
    # What led to this escalation is on no other ticket: the standing one must show it.
    (comment,) = delivery.peers.asked("CreateComment")
    assert (comment.ticket_id, comment.source_message_id, comment.body) == (standing, new.message_id, "now")


async def test_a_peer_that_is_away_for_a_moment_costs_no_attempt(delivery: Mesh) -> None:
    delivery.peers.say(
        "TakeOverSession",
        *[DependencyUnavailable(retry_after_s=0.01)] * 3,
        orchestration_service_pb2.TakeOverSessionResponse(),
    )
    command = commands.TakeOverSession(session_id=uuid(), ticket_id=uuid())
    row = await delivery.done(command, "take_over_session", "take-over:2")
    assert row["attempts"] == 1


async def test_a_job_s_call_is_made_once_a_try(delivery: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs have pauses of their own, and commands come again after them: the channel below adds no third layer."""
    monkeypatch.setattr("svc_workers.job.AWAY_PAUSES_S", ())
    monkeypatch.setattr("svc_workers.job.AWAY_RETRY_S", (3600.0, 3600.0))
    delivery.peers.say("TakeOverSession", DependencyUnavailable(retry_after_s=0.01))
    await delivery.put(
        commands.TakeOverSession(session_id=uuid(), ticket_id=uuid()), "take_over_session", "take-over:once"
    )

    async def tried() -> object:
        return await delivery.db.fetchval("select last_error from messaging.outbox")

    await testing.eventually(tried)
    assert len(delivery.peers.asked("TakeOverSession")) == 1


async def test_what_can_never_work_is_dead_and_what_may_is_tried_again(delivery: Mesh) -> None:
    delivery.peers.say("CreateTicket", SessionNotFound(session_id="x"))
    ticket = ticketing_service_pb2.CreateTicketRequest(session_id=uuid(), request_id="ticket:3")
    await delivery.put(commands.CreateTicket(ticket=ticket), "create_ticket", "ticket:3")
    row = await delivery.settled("ticket:3")
    assert (row["status"], row["attempts"]) == ("dead", 1)
    assert row["last_error"] == "peer answered NOT_FOUND SESSION_NOT_FOUND"

    delivery.peers.say(
        "TakeOverSession",
        DependencyUnavailable(retry_after_s=0.05),
        orchestration_service_pb2.TakeOverSessionResponse(),
    )
    await delivery.done(
        commands.TakeOverSession(session_id=uuid(), ticket_id=uuid()), "take_over_session", "take-over:1"
    )


async def test_a_message_waits_for_the_ticket_before_it_is_mirrored(delivery: Mesh) -> None:
    session, ticket_id, message = uuid(), uuid(), uuid()
    without = conversation_service_pb2.GetSessionResponse(session=conversation_pb2.Session(session_id=session))
    attached = conversation_service_pb2.GetSessionResponse(
        session=conversation_pb2.Session(session_id=session, ticket_id=ticket_id)
    )
    delivery.peers.say("GetSession", without, attached)
    await delivery.done(
        commands.AddTicketComment(session_id=session, message_id=message, body="and now?"),
        "add_ticket_comment",
        f"comment:{message}",
    )
    (comment,) = delivery.peers.asked("CreateComment")
    assert comment == ticketing_service_pb2.CreateCommentRequest(
        ticket_id=ticket_id,
        body="and now?",
        visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC,
        source_message_id=message,
        request_id=f"comment:{message}",
    )


async def test_a_message_goes_to_the_ticket_that_it_was_said_to(delivery: Mesh) -> None:
    """The conversation may wait for another ticket by now, whose command waits behind this one."""
    session, ticket_id, message = uuid(), uuid(), uuid()
    await delivery.done(
        commands.AddTicketComment(session_id=session, message_id=message, body="and now?", ticket_id=ticket_id),
        "add_ticket_comment",
        f"comment:{message}",
    )
    (comment,) = delivery.peers.asked("CreateComment")
    assert comment.ticket_id == ticket_id
    assert delivery.peers.asked("GetSession") == []


async def test_replies_resolutions_and_takeovers_are_passed_on(delivery: Mesh) -> None:
    session, ticket, comment = uuid(), uuid(), uuid()
    reply = commands.MirrorReply(
        session_id=session, ticket_id=ticket, comment_id=comment, author_name="Ada", body="Try this."
    )
    await delivery.done(reply, "mirror_reply", "reply:1")
    (recorded,) = delivery.peers.asked("RecordReply")
    assert (recorded.session_id, recorded.ticket_id, recorded.comment_id) == (session, ticket, comment)
    assert (recorded.author_name, recorded.body) == ("Ada", "Try this.")

    await delivery.done(
        commands.ResolveSession(session_id=session, ticket_id=ticket, resolved_by="ada"), "resolve_session", "rs:1"
    )
    (resolved,) = delivery.peers.asked("ResolveSession")
    assert (resolved.session_id, resolved.ticket_id, resolved.resolved_by) == (session, ticket, "ada")

    await delivery.done(commands.TakeOverSession(session_id=session, ticket_id=ticket), "take_over_session", "to:1")
    assert delivery.peers.asked("TakeOverSession")[0].ticket_id == ticket


async def test_a_ticket_is_resolved_unless_it_is_closed(delivery: Mesh) -> None:
    ticket = uuid()
    await delivery.done(commands.ResolveTicket(ticket_id=ticket), "resolve_ticket", "rt:1")
    (update,) = delivery.peers.asked("UpdateTicket")
    assert (update.ticket_id, update.ticket.status) == (ticket, ticketing_pb2.TICKET_STATUS_RESOLVED)
    assert list(update.update_mask.paths) == ["status"]
    delivery.peers.say("UpdateTicket", TicketClosed(ticket_id=ticket))
    await delivery.done(commands.ResolveTicket(ticket_id=ticket), "resolve_ticket", "rt:2")


async def test_dead_commands_are_listed_shown_and_redriven_by_an_admin(delivery: Mesh) -> None:
    delivery.peers.say("CreateTicket", SessionNotFound(session_id="x"))
    for number in range(3):
        ticket = ticketing_service_pb2.CreateTicketRequest(session_id=uuid(), request_id=f"dead:{number}")
        await delivery.put(commands.CreateTicket(ticket=ticket), "create_ticket", f"dead:{number}")
        await delivery.settled(f"dead:{number}")
    async with delivery.served.channel(COMMANDS, role="admin") as channel:
        stub = command_service_pb2_grpc.CommandServiceStub(channel)
        wanted: dict[str, Any] = {"status": command_service_pb2.COMMAND_STATUS_DEAD, "type": "create_ticket"}
        first = await stub.ListCommands(command_service_pb2.ListCommandsRequest(page_size=2, **wanted))
        rest = await stub.ListCommands(
            command_service_pb2.ListCommandsRequest(page_size=2, page_token=first.next_page_token, **wanted)
        )
        assert [each.idempotency_key for each in (*first.commands, *rest.commands)] == ["dead:0", "dead:1", "dead:2"]
        assert rest.next_page_token == ""
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListCommands(command_service_pb2.ListCommandsRequest(page_token=first.next_page_token))
        assert from_rpc_error(refused.value).reason == "PAGE_TOKEN_INVALID"

        one = first.commands[0]
        shown = await stub.GetCommand(command_service_pb2.GetCommandRequest(command_id=one.command_id))
        assert shown.command == one
        assert (one.attempts, one.status) == (1, command_service_pb2.COMMAND_STATUS_DEAD)
        delivery.peers.say(
            "CreateTicket", ticketing_service_pb2.CreateTicketResponse(ticket=ticketing_pb2.Ticket(ticket_id=uuid()))
        )
        redriven = await stub.RedriveCommand(command_service_pb2.RedriveCommandRequest(command_id=one.command_id))
        assert redriven.command.attempts == 0
        assert (await delivery.settled("dead:0"))["status"] == "done"
        again = await stub.RedriveCommand(command_service_pb2.RedriveCommandRequest(command_id=one.command_id))
        assert again.command.status == command_service_pb2.COMMAND_STATUS_DONE, "a done command is left alone"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetCommand(command_service_pb2.GetCommandRequest(command_id=uuid()))
        assert from_rpc_error(refused.value).reason == "COMMAND_NOT_FOUND"
    async with delivery.served.channel(COMMANDS, role="service") as channel:
        stub = command_service_pb2_grpc.CommandServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.RedriveCommand(command_service_pb2.RedriveCommandRequest(command_id=one.command_id))
        assert from_rpc_error(refused.value).reason == "ROLE_NOT_ALLOWED"
