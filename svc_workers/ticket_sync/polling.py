"""Reads ticketing's feed of changes with a durable cursor, and has followed what no event told."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC
from typing import NoReturn

from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit import outbox, postgres
from meshkit.errors import DomainError, PageTokenInvalid, RemoteError
from meshkit.postgres import Database
from meshkit.telemetry import counter, gauge, get_logger
from svc_workers.peers import Peers, answer
from svc_workers.ticket_sync import store
from svc_workers.ticket_sync.following import Following, following
from svc_workers.ticket_sync.store import Leased

log = get_logger(__name__)

FEED = "ticket_changes"
# Longer than a call may take, many times over; a poller that dies is followed by another after that.
LEASE_S = 30.0

FOUND = counter("groundline_ticket_sync_found_total", "Changes of tickets that no event had told.", ["type"])
FAILED = counter("groundline_ticket_sync_failed_total", "Looks at the feed of ticket changes that failed.")
SETTLED = gauge("groundline_ticket_sync_settled_timestamp_seconds", "Up to when all changes of tickets are followed.")


class TicketSync:
    """One loop; as many processes as like may run it, for the cursor has one holder at a time."""

    def __init__(self, database: Database, peers: Peers, *, interval_s: float) -> None:
        self._db = database
        self._ticketing = peers.ticketing
        self._interval_s = interval_s

    async def run(self) -> NoReturn:
        """Until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception as exc:
                if not isinstance(exc, DomainError | RemoteError) and postgres.translate(exc) is None:
                    raise
                FAILED.inc()
                log.warning("ticket_sync_failed", error=type(exc).__name__)
            # Not in step with other workers.
            await asyncio.sleep(random.uniform(0.8, 1.2) * self._interval_s)

    async def poll(self) -> None:
        """Reads all that is settled by now, a page at a time; nothing if another worker is reading.

        Raises RemoteError and what the database raises; what was read before is followed.
        """
        async with self._db.connection() as conn:
            leased = await store.take_cursor(conn, FEED, lease_s=LEASE_S)
        if leased is None:
            return
        try:
            position, more = leased.position, True
            while more:
                page = await self._page(leased, position)
                position, more = page.next_cursor, page.more
                if not await self._follow(leased, page):
                    return
        finally:
            async with self._db.connection() as conn:
                await store.release_cursor(conn, FEED, leased.lease_token)

    async def _page(self, leased: Leased, position: str) -> ticketing_service_pb2.PollTicketChangesResponse:
        request = ticketing_service_pb2.PollTicketChangesRequest(cursor=position)
        request.since.FromDatetime(leased.settled_at)
        try:
            return await answer(self._ticketing.PollTicketChanges(request))
        except RemoteError as exc:
            if exc.reason != PageTokenInvalid.reason_name() or not position:
                raise
        # Another version's cursor: its time is as good, for whatever comes again is known by its key.
        log.warning("ticket_sync_cursor_refused")
        request.cursor = ""
        return await answer(self._ticketing.PollTicketChanges(request))

    async def _follow(self, leased: Leased, page: ticketing_service_pb2.PollTicketChangesResponse) -> bool:
        """Writes the page's commands and moves the cursor, both or none; False if the lease was lost."""
        settled_at = page.settled_at.ToDatetime(UTC)
        async with self._db.transaction() as conn:
            held = await store.advance_cursor(
                conn, FEED, leased.lease_token, page.next_cursor, settled_at, lease_s=LEASE_S
            )
            if not held:
                return False
            found = [each for each in _commands(page.changes) if await _put(conn, each)]
        for each in found:
            FOUND.labels(each.type).inc()
            log.info("ticket_sync_found", type=each.type, key=each.key)
        SETTLED.set(settled_at.timestamp())
        return True


def _commands(changes: Sequence[ticketing_pb2.TicketChange]) -> list[Following]:
    return [command for each in changes if (command := following(each)) is not None]


async def _put(conn: postgres.Connection, each: Following) -> bool:
    return await outbox.put(conn, each.command, type=each.type, key=each.key, ordering_key=each.session_id)
