"""The polling fallback of ticket sync: what no event told is found, nothing is mirrored twice, nothing is skipped.

A road that writes no event is played by the database's owner, who changes tickets behind the service's back.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2

from groundline.conversation.v1 import conversation_pb2
from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from meshkit import testing
from meshkit.errors import PageTokenInvalid
from meshkit.ids import new_id
from meshkit.postgres import Database
from svc_ticketing.changes import Cursor, Mark
from svc_workers.ticket_sync.polling import FEED, FOUND, TicketSync
from svc_workers.ticket_sync.store import take_cursor
from svc_workers.wiring import wire_delivery

from . import worker_mesh
from .desk import Desk, change, comment, open_desk, refusal
from .scripted import Customer
from .whole_desk import WholeDesk, open_whole_desk

OFTEN, NEVER = {"ticket_sync_interval_s": 0.1}, {"ticket_sync_interval_s": 0.0}
EVENTS = ("mirror_reply", "resolve_session", "take_over_session")


@dataclass
class Case:
    """A conversation with a ticket, and roads to that ticket."""

    desk: WholeDesk
    customer: Customer
    ticket: pb.Ticket

    async def silent_reply(self, body: str) -> None:
        """An agent's reply that comes by a road without events."""
        await self.desk.talk.sql.execute(SILENT_REPLY, new_id(), self.ticket.ticket_id, body)

    async def reply(self, body: str) -> None:
        agent = await self.desk.agent()
        await agent.CreateComment(comment(self.ticket.ticket_id, body=body))

    async def replies(self) -> list[str]:
        chain = await self.customer.chain()
        return [each.content for each in chain if each.role == conversation_pb2.MESSAGE_ROLE_AGENT]

    async def comes(self, body: str) -> None:
        async def look() -> bool:
            return body in await self.replies()

        await testing.eventually(look, timeout_s=30)

    async def becomes(self, status: conversation_pb2.SessionStatus.ValueType) -> None:
        async def look() -> bool:
            return bool((await self.customer.session()).status == status)

        await testing.eventually(look, timeout_s=30)

    async def idle(self) -> None:
        """Waits until what tickets told is done and everything that has happened by now is polled."""
        now = await self.desk.talk.sql.fetchval("select clock_timestamp()")

        async def look() -> object:
            return await self.desk.talk.sql.fetchval(
                "select settled_at >= $1 and not exists (select from messaging.outbox where status = 'pending' "
                "and type = any ($2)) from messaging.cursors",
                now,
                EVENTS,
            )

        await testing.eventually(look, timeout_s=30)


SILENT_REPLY = """
insert into ticketing.ticket_comments (comment_id, ticket_id, author_type, author, visibility, body)
values ($1, $2::text::uuid, 'agent', 'eve', 'public', $3)
"""


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[WholeDesk]:
    async with open_whole_desk(database_url, keys, tmp_path, with_worker=False) as opened:
        yield opened


async def open_case(desk: WholeDesk) -> Case:
    """A conversation that was escalated and has its ticket; needs a worker."""

    customer = await desk.talk.open()
    await customer.says("I want to speak to a person, please.")
    await desk.talk.advance(customer)
    return Case(desk, customer, await desk.ticket_of(customer))


def found(type: str) -> float:
    return FOUND.labels(type)._value.get()


async def test_what_comes_by_a_road_without_events_is_found(desk: WholeDesk) -> None:
    before = {type: found(type) for type in EVENTS}
    async with desk.worker(**OFTEN):
        case = await open_case(desk)
        await case.silent_reply("Hold it for ten seconds.")
        await case.comes("Hold it for ten seconds.")
        assert (await case.customer.session()).status == conversation_pb2.SESSION_STATUS_ESCALATED
        await desk.talk.sql.execute("update ticketing.tickets set status = 'resolved'")
        await case.becomes(conversation_pb2.SESSION_STATUS_RESOLVED)

        other = await desk.talk.open()
        ticket_id = new_id()
        await desk.talk.sql.execute(
            "insert into ticketing.tickets (ticket_id, session_id, escalation_reason) "
            "values ($1, $2, 'AGENT_TAKEOVER')",
            ticket_id,
            other.id,
        )
        taken = Case(desk, other, pb.Ticket(ticket_id=str(ticket_id)))
        await taken.becomes(conversation_pb2.SESSION_STATUS_ESCALATED)
        assert (await other.session()).ticket_id == str(ticket_id)
    assert {type: found(type) - before[type] for type in EVENTS} == dict.fromkeys(EVENTS, 1.0)


async def test_without_the_poller_it_is_not_found(desk: WholeDesk) -> None:
    async with desk.worker(**NEVER):
        case = await open_case(desk)
        await case.silent_reply("silent")
        await case.reply("told")
        await case.comes("told")
        assert await case.replies() == ["told"]
    async with desk.worker(**OFTEN):
        # A feed that was never read is read from now on; this one was there before.
        await desk.talk.sql.execute(
            "insert into messaging.cursors (name, settled_at) values ('ticket_changes', now() - interval '1 day') "
            "on conflict (name) do update set position = '', settled_at = excluded.settled_at"
        )
        await case.comes("silent")


async def test_event_and_poll_mirror_once_also_when_the_event_is_forgotten(desk: WholeDesk) -> None:
    async with desk.worker(**OFTEN):
        case = await open_case(desk)
        before = {type: found(type) for type in EVENTS}
        for body in ("first", "second", "third"):
            await case.reply(body)
        agent = await desk.agent()
        await agent.UpdateTicket(change(case.ticket.ticket_id, status=pb.TICKET_STATUS_RESOLVED))
        await case.becomes(conversation_pb2.SESSION_STATUS_RESOLVED)
        await case.idle()
        assert {type: found(type) for type in EVENTS} == before, "the events told it all"
        events = await desk.talk.sql.fetchval("select count(*) from conversation.events")
        # All of it comes again, and is known.
        await desk.talk.sql.execute("delete from messaging.outbox where status = 'done'")
        await desk.talk.sql.execute("update messaging.cursors set position = '', settled_at = now() - interval '1 day'")
        await case.idle()
        assert found("mirror_reply") == before["mirror_reply"] + 3
        assert found("resolve_session") == before["resolve_session"] + 1
        assert await case.replies() == ["first", "second", "third"]
        assert await desk.talk.sql.fetchval("select count(*) from conversation.events") == events


async def test_a_customer_who_came_back_is_not_taken_for_resolved_or_taken_over(desk: WholeDesk) -> None:
    async with desk.worker(**OFTEN):
        customer = await desk.talk.open()
        await customer.says("How do I reset it?")
        await desk.talk.advance(customer)
        agent = await desk.agent()
        made = await agent.CreateTicket(service_pb.CreateTicketRequest(session_id=customer.session_id))
        case = Case(desk, customer, made.ticket)
        await case.becomes(conversation_pb2.SESSION_STATUS_ESCALATED)
        await case.reply("done")
        await agent.UpdateTicket(change(made.ticket.ticket_id, status=pb.TICKET_STATUS_RESOLVED))
        await case.becomes(conversation_pb2.SESSION_STATUS_RESOLVED)
        await customer.says("How do I reset it?")
        await desk.talk.advance(customer)
        assert (await customer.session()).status == conversation_pb2.SESSION_STATUS_OPEN
        await desk.talk.sql.execute("delete from messaging.outbox where status = 'done'")
        await desk.talk.sql.execute("update messaging.cursors set position = '', settled_at = now() - interval '1 day'")
        await case.idle()
        assert (await customer.session()).status == conversation_pb2.SESSION_STATUS_OPEN


async def test_the_cursor_outlives_the_worker(desk: WholeDesk) -> None:
    async with desk.worker(**OFTEN):
        case = await open_case(desk)
        await case.idle()
    await case.silent_reply("while nobody looked")
    stood = await desk.talk.sql.fetchval("select settled_at from messaging.cursors")
    written = await desk.talk.sql.fetchval("select max(created_at) from ticketing.ticket_comments")
    assert stood < written
    async with desk.worker(**OFTEN), desk.worker(**OFTEN):
        await case.comes("while nobody looked")
        await case.idle()
    assert await case.replies() == ["while nobody looked"]
    assert await desk.talk.sql.fetchval("select settled_at from messaging.cursors") > written


@dataclass
class Feed:
    """Ticketing's feed, read as a poller reads it."""

    desk: Desk
    cursor: str = ""

    async def page(self, size: int = 0) -> service_pb.PollTicketChangesResponse:
        request = service_pb.PollTicketChangesRequest(cursor=self.cursor, page_size=size)
        answer: service_pb.PollTicketChangesResponse = await self.desk.stub("service").PollTicketChanges(request)
        self.cursor = answer.next_cursor
        return answer

    async def until(self, moment: datetime) -> list[str]:
        """The bodies of replies listed until everything up to the moment is."""
        bodies: list[str] = []
        async with asyncio.timeout(30):
            while True:
                page = await self.page()
                bodies += [each.reply.body for each in page.changes if each.HasField("reply")]
                if page.settled_at.ToDatetime(UTC) >= moment and not page.more:
                    return bodies
                await asyncio.sleep(0.05)


@pytest.fixture
async def ticketing(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(database_url, keys, tmp_path) as opened:
        yield opened


async def test_a_late_commit_is_not_skipped(ticketing: Desk, database_url: str) -> None:
    ticket = await ticketing.ticket()
    late = await asyncpg.connect(database_url)
    try:
        begun = late.transaction()
        await begun.start()
        await late.execute(SILENT_REPLY, new_id(), ticket.ticket_id, "late")
        await ticketing.stub("agent").CreateComment(comment(ticket.ticket_id, body="newer"))
        newer = await ticketing.db.fetchval("select created_at from ticketing.ticket_comments")
        feed = Feed(ticketing)
        # Well beyond the margin by which the feed stays behind the clock: whoever went by times alone would list the
        # newer one, go on behind it, and never see the late one.
        passed = Timestamp()
        passed.FromDatetime(newer + timedelta(seconds=2))

        async def clock_passed() -> bool:
            assert not (await feed.page()).changes
            return bool(await ticketing.db.fetchval("select clock_timestamp() > $1", newer + timedelta(seconds=2)))

        await testing.eventually(clock_passed)
        await begun.commit()
    finally:
        await late.close()
    assert await feed.until(newer) == ["late", "newer"]


async def test_a_writer_s_own_time_does_not_hide_a_change(ticketing: Desk) -> None:
    ticket = await ticketing.ticket()
    feed = Feed(ticketing)
    now = await ticketing.db.fetchval("select clock_timestamp()")
    await feed.until(now)
    await ticketing.db.execute("update ticketing.tickets set status = 'resolved', updated_at = now() - interval '1 h'")

    async def listed() -> object:
        return [each for each in (await feed.page()).changes if each.ticket_id == ticket.ticket_id]

    (change,) = await testing.eventually(listed)  # type: ignore[misc]
    assert change.standing.status == pb.TICKET_STATUS_RESOLVED


async def test_pages_are_bounded_and_nothing_is_lost_between_them(ticketing: Desk) -> None:
    ticket = await ticketing.ticket()
    bodies = [f"reply {number}" for number in range(120)]
    # All at one time: the second part of the cursor tells them apart.
    ids = sorted(new_id() for _ in bodies)
    await ticketing.db.executemany(
        SILENT_REPLY.replace("body)", "body, created_at)").replace("$3)", "$3, '2026-01-01')"),
        [(id, ticket.ticket_id, body) for id, body in zip(ids, bodies, strict=True)],
    )
    feed, listed, sizes = Feed(ticketing), [], []
    async with asyncio.timeout(30):
        while len(listed) < len(bodies):
            page = await feed.page()
            sizes.append(len(page.changes))
            listed += [each.reply.body for each in page.changes if each.HasField("reply")]
            await asyncio.sleep(0 if page.more else 0.05)
    assert listed == bodies
    assert max(sizes) == 50
    refused = await refusal(
        ticketing.stub("service").PollTicketChanges(service_pb.PollTicketChangesRequest(page_size=51))
    )
    assert refused.code == code_pb2.INVALID_ARGUMENT


async def test_a_mark_of_another_database_is_made_anew(ticketing: Desk) -> None:
    ticket = await ticketing.ticket()
    await ticketing.stub("agent").CreateComment(comment(ticket.ticket_id, body="restored"))
    now = await ticketing.db.fetchval("select clock_timestamp()")
    far = Cursor(now - timedelta(hours=1), new_id(), Mark(now, 2**60))
    assert await Feed(ticketing, far.encode()).until(now) == ["restored"]


async def test_what_is_no_cursor_is_refused(ticketing: Desk) -> None:
    for cursor in ("nonsense", "bnVsbA"):
        request = service_pb.PollTicketChangesRequest(cursor=cursor)
        refused = await refusal(ticketing.stub("service").PollTicketChanges(request))
        assert (refused.code, refused.reason) == (code_pb2.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    late = service_pb.PollTicketChangesRequest(since=Timestamp(seconds=2**62))
    assert (await refusal(ticketing.stub("service").PollTicketChanges(late))).code == code_pb2.INVALID_ARGUMENT


@pytest.mark.parametrize("stolen", [False, True])
async def test_a_poller_that_lost_its_lease_writes_nothing(database_url: str, stolen: bool) -> None:
    name = urlsplit(database_url).path.lstrip("/")
    worker = testing.database_url(database_url, name, user="groundline_workers")
    owner = await asyncpg.connect(database_url)
    database = await Database.open(worker, name="test")

    async def answer(_: service_pb.PollTicketChangesRequest) -> service_pb.PollTicketChangesResponse:
        # While it reads, it stands still past its lease, and another takes the cursor.
        if stolen:
            await owner.execute("update messaging.cursors set lease_expires_at = now()")
            async with database.connection() as conn:
                assert await take_cursor(conn, FEED, lease_s=30) is not None
        return reply_page("here")

    try:
        peers: Any = SimpleNamespace(ticketing=SimpleNamespace(PollTicketChanges=answer))
        await TicketSync(database, peers, interval_s=1).poll()
        assert await owner.fetchval("select count(*) from messaging.outbox") == (0 if stolen else 1)
        assert await owner.fetchval("select position from messaging.cursors") == ("" if stolen else "here")
        async with database.connection() as conn:
            free = await take_cursor(conn, FEED, lease_s=30) is not None
        assert free is not stolen, "who lost the lease must not end the other's"
    finally:
        await database.close()
        await owner.close()


async def test_a_cursor_that_is_refused_is_begun_again_where_it_stood(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    def refuses(request: service_pb.PollTicketChangesRequest) -> service_pb.PollTicketChangesResponse:
        if request.cursor:
            raise PageTokenInvalid()
        return reply_page("of this version")

    owner = await asyncpg.connect(database_url)
    await owner.execute("insert into messaging.cursors (name, position) values ($1, 'of another version')", FEED)
    stood = await owner.fetchval("select settled_at from messaging.cursors")
    await owner.close()
    async with worker_mesh.run(
        wire_delivery, database_url, keys, tmp_path, {"PollTicketChanges": [refuses]}, **OFTEN
    ) as mesh:

        async def asked() -> object:
            return [each for each in mesh.peers.asked("PollTicketChanges") if not each.cursor]

        (again, *_) = await testing.eventually(asked)  # type: ignore[misc]
        assert again.since.ToDatetime(UTC) == stood


def reply_page(cursor: str) -> service_pb.PollTicketChangesResponse:
    reply = pb.TicketComment(comment_id=str(new_id()), author="eve", body="words")
    change = pb.TicketChange(ticket_id=str(new_id()), session_id=str(new_id()), reply=reply)
    page = service_pb.PollTicketChangesResponse(changes=[change], next_cursor=cursor)
    page.settled_at.GetCurrentTime()
    return page
