"""A resolved ticket that is opened again takes its conversation along; what comes late or twice changes nothing."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from groundline.conversation.v1 import conversation_pb2
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from groundline.ticketing.v1 import ticketing_service_pb2_grpc
from meshkit import testing
from meshkit.ids import new_id
from svc_orchestrator import store

from .desk import change, comment
from .scripted import Customer, Talk
from .test_ticket_sync import NEVER, OFTEN, Case, open_case
from .whole_desk import TICKETING, WholeDesk, open_whole_desk

OPEN = conversation_pb2.SESSION_STATUS_OPEN
ESCALATED = conversation_pb2.SESSION_STATUS_ESCALATED
RESOLVED = conversation_pb2.SESSION_STATUS_RESOLVED


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[WholeDesk]:
    async with open_whole_desk(database_url, keys, tmp_path, with_worker=False) as opened:
        yield opened


async def resolved_case(desk: WholeDesk) -> Case:
    case = await open_case(desk)
    await case.reply("Hold it for ten seconds.")
    agent = await desk.agent()
    await agent.UpdateTicket(change(case.ticket.ticket_id, status=pb.TICKET_STATUS_RESOLVED))
    await case.becomes(RESOLVED)
    return case


async def is_worked_on_again(case: Case) -> None:
    """The conversation is under its old ticket: what the customer says goes there, what the agent says comes back."""
    await case.becomes(ESCALATED)
    assert (await case.customer.session()).ticket_id == case.ticket.ticket_id
    receipt = await case.customer.says("It still blinks.")
    await case.desk.talk.advance(case.customer)

    async def mirrored() -> object:
        return await case.desk.talk.sql.fetchval(
            "select ticket_id from ticketing.ticket_comments where source_message_id = $1::text::uuid",
            receipt.message_id,
        )

    assert str(await testing.eventually(mirrored, timeout_s=30)) == case.ticket.ticket_id
    await case.reply("Then we send you a new one.")
    await case.comes("Then we send you a new one.")
    agent = await case.desk.agent()
    await agent.UpdateTicket(change(case.ticket.ticket_id, status=pb.TICKET_STATUS_RESOLVED))
    await case.becomes(RESOLVED)
    assert await case.desk.talk.sql.fetchval("select count(*) from ticketing.tickets") == 1
    assert await case.desk.talk.sql.fetchval("select count(*) from messaging.outbox where status = 'dead'") == 0


async def test_an_agent_opens_a_ticket_again(desk: WholeDesk) -> None:
    async with desk.worker(**NEVER):
        case = await resolved_case(desk)
        agent = await desk.agent()
        await agent.UpdateTicket(change(case.ticket.ticket_id, status=pb.TICKET_STATUS_OPEN))
        await is_worked_on_again(case)


async def test_a_road_without_events_opens_it_again(desk: WholeDesk) -> None:
    async with desk.worker(**OFTEN):
        case = await resolved_case(desk)
        await desk.talk.sql.execute("update ticketing.tickets set status = 'open'")
        await is_worked_on_again(case)


async def test_a_customer_s_words_that_reach_a_resolved_ticket_open_both(desk: WholeDesk) -> None:
    async with desk.worker(**NEVER):
        case = await open_case(desk)
    # The words are on their way to the ticket while the agent resolves it.
    await case.reply("Hold it for ten seconds.")
    await case.customer.says("One more thing:")
    await desk.talk.advance(case.customer)
    agent = await desk.agent()
    await agent.UpdateTicket(change(case.ticket.ticket_id, status=pb.TICKET_STATUS_RESOLVED))
    async with desk.worker(**NEVER):
        await is_worked_on_again(case)


async def test_a_ticket_that_another_took_the_place_of_is_not_opened_again(desk: WholeDesk) -> None:
    """The customer's words stay on the resolved ticket; the conversation goes on under the new one."""
    async with desk.worker(**NEVER):
        case = await resolved_case(desk)
        agent = await desk.agent()
        again = service_pb.CreateTicketRequest(session_id=case.customer.session_id)
        second = (await agent.CreateTicket(again)).ticket
        await case.becomes(ESCALATED)
        async with desk.ticketing.channel(TICKETING, role="service") as channel:
            late = comment(case.ticket.ticket_id, body="late", source_message_id=str(new_id()))
            await ticketing_service_pb2_grpc.TicketingServiceStub(channel).CreateComment(late)
        first = await agent.GetTicket(service_pb.GetTicketRequest(ticket_id=case.ticket.ticket_id))
        assert first.ticket.status == pb.TICKET_STATUS_RESOLVED
        assert (await case.customer.session()).ticket_id == second.ticket_id


class Steps:
    """What happens to one ticket, a minute apart, in the order of its happening."""

    def __init__(self, customer: Customer, stub: Any) -> None:
        self.ticket_id, self.began = str(new_id()), datetime.now(UTC)
        self.customer, self.stub = customer, stub

    async def opened(self, minute: int) -> None:
        request = orchestration.TakeOverSessionRequest(session_id=self.customer.session_id, ticket_id=self.ticket_id)
        request.opened_at.FromDatetime(self.began + timedelta(minutes=minute))
        await self.stub.TakeOverSession(request)

    async def resolved(self, minute: int) -> None:
        request = orchestration.ResolveSessionRequest(
            session_id=self.customer.session_id, ticket_id=self.ticket_id, resolved_by="ada"
        )
        request.resolved_at.FromDatetime(self.began + timedelta(minutes=minute))
        await self.stub.ResolveSession(request)


async def _play(talk: Talk, order: tuple[int, ...]) -> Any:
    """The conversation after a ticket was opened, resolved and opened again, told in this order, all of it twice."""
    customer = await talk.open()
    steps = Steps(customer, await talk.mesh())
    told: list[Callable[[int], Any]] = [steps.opened, steps.resolved, steps.opened]
    for index in (*order, *order):
        await told[index](index)
    return (await customer.session()).status


async def test_the_latest_change_holds_in_whatever_order_they_come(talk: Talk) -> None:
    for order in permutations(range(3)):
        assert await _play(talk, order) == ESCALATED, order
    # Without the last of them, the resolution is the latest.
    assert await _play(talk, (0, 1)) == RESOLVED
    # One that comes first has nothing to resolve; what it overtook changes nothing afterwards.
    assert await _play(talk, (1, 0)) == OPEN


async def test_without_their_times_a_late_one_would_undo_it(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def follow(*_: object) -> bool:
        return True

    monkeypatch.setattr(store, "follow", follow)
    assert await _play(talk, (0, 2, 1)) == RESOLVED


async def test_a_customer_who_resolves_is_not_handed_over_by_what_came_before(talk: Talk) -> None:
    customer = await talk.open()
    steps = Steps(customer, await talk.mesh())
    steps.began = datetime.now(UTC) - timedelta(hours=1)
    await steps.opened(0)
    await steps.stub.ResolveSession(
        orchestration.ResolveSessionRequest(session_id=customer.session_id, resolved_by="customer")
    )
    await steps.opened(5)
    assert (await customer.session()).status == RESOLVED
    steps.began += timedelta(hours=2)
    await steps.opened(0)
    assert (await customer.session()).status == ESCALATED
