"""Making, reading and changing tickets, with the commands that follow from it."""

from datetime import datetime
from uuid import UUID

from meshkit import failpoints
from meshkit.errors import EtagMismatch, FieldViolation, InvalidRequest
from meshkit.identity import Principal
from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Connection, Database
from svc_ticketing import lifecycle, store
from svc_ticketing.announcing import announce_created, announce_updated
from svc_ticketing.conversation import have_resolved, have_taken_over
from svc_ticketing.errors import TicketAlreadyOpen, TicketNotFound
from svc_ticketing.lifecycle import Change
from svc_ticketing.model import NewTicket, Status, Ticket, is_service
from svc_ticketing.repeatable import RequestKey

# How often a ticket that stood in the way may have been resolved before we could name it.
CREATE_TRIES = 3


class Tickets:
    """The desk's tickets."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, new: NewTicket, request: RequestKey | None, by: Principal) -> Ticket:
        """Makes a ticket, once by `request`; a person's also takes the conversation over.

        A repeated request gets the ticket as it stands now. Raises TicketAlreadyOpen, SessionNotFound, RequestIdReused.
        """
        standing: UUID | None = None
        for _ in range(CREATE_TRIES):
            try:
                async with self._db.transaction() as conn:
                    made = await store.insert_ticket(conn, new, request)
                    if made is not None:
                        await announce_created(conn, made)
                        if not is_service(by):
                            await have_taken_over(conn, made.session_id, made.ticket_id, made.opened_at)
                        if failpoints.ON:
                            await failpoints.reach("ticketing.ticket.before_commit")
                if made is not None:
                    if failpoints.ON:
                        await failpoints.reach("ticketing.ticket.committed")
                    return made
            except store.OpenTicketStands:
                # Whichever index noticed first: our own earlier or rival call is found by its request.
                pass
            async with self._db.connection() as conn:
                if request is not None and (earlier := await store.ticket_of_request(conn, request)):
                    return earlier
                standing = await store.open_ticket_of_session(conn, new.session_id)
            if standing is not None:
                break
        raise TicketAlreadyOpen(session_id=new.session_id, ticket_id=standing)

    async def get(self, ticket_id: UUID) -> Ticket:
        """The ticket with its details. Raises TicketNotFound."""
        async with self._db.connection() as conn:
            return found(await store.get_ticket(conn, ticket_id), ticket_id)

    async def page(self, wanted: store.TicketFilter, *, size: int, token: str) -> tuple[list[Ticket], str]:
        """A page and the token of the next one, "" after the last. Raises PageTokenInvalid."""
        filters = ("tickets", wanted.status, wanted.assigned_to, wanted.queue, wanted.session_id)
        cursor = decode_token(token, filters=filters, kinds=(datetime, UUID))
        async with self._db.connection() as conn:
            # One more than asked for tells whether there is a next page.
            rows = await store.list_tickets(conn, wanted, after=cursor, limit=size + 1)
        if len(rows) <= size:
            return rows, ""
        last = rows[size - 1]
        return rows[:size], encode_token((last.updated_at, last.ticket_id), filters=filters)

    async def update(self, ticket_id: UUID, change: Change, *, etag: str, by: Principal) -> Ticket:
        """Changes a ticket; an `etag` that is not "" must be the current one. A person's resolving resolves the
        conversation too, and opening again hands it over again. Without any difference nothing is written.

        Raises TicketNotFound, EtagMismatch, TicketClosed, StatusTransitionInvalid, AssignmentNotAllowed,
        InvalidRequest for a resolution that is missing, TicketAlreadyOpen if reopening would make a second one.
        """
        session_id: UUID | None = None
        try:
            async with self._db.transaction() as conn:
                ticket = found(await store.lock_ticket(conn, ticket_id), ticket_id)
                session_id = ticket.session_id
                if etag and etag != ticket.etag:
                    raise EtagMismatch(etag=ticket.etag)
                changed = lifecycle.apply(change, ticket, by)
                if changed == ticket:
                    return found(await store.get_ticket(conn, ticket_id), ticket_id)
                # A service resolves because the customer closed the conversation: nothing is left to say or resolve.
                resolves = changed.status is Status.RESOLVED is not ticket.status and not is_service(by)
                if resolves:
                    await _require_answer(conn, changed)
                saved = await store.save_ticket(conn, changed, resolved_by=None if is_service(by) else by.subject)
                await announce_updated(conn, saved)
                if resolves:
                    await have_resolved(conn, saved, by)
                elif ticket.status is Status.RESOLVED and saved.status is Status.OPEN:
                    await have_taken_over(conn, saved.session_id, saved.ticket_id, saved.opened_at)
                if failpoints.ON:
                    await failpoints.reach("ticketing.update.before_commit")
            if failpoints.ON:
                await failpoints.reach("ticketing.update.committed")
            return saved
        except store.OpenTicketStands:
            assert session_id is not None
            async with self._db.connection() as conn:
                standing = await store.open_ticket_of_session(conn, session_id)
            raise TicketAlreadyOpen(session_id=session_id, ticket_id=standing) from None


def found(ticket: Ticket | None, ticket_id: UUID) -> Ticket:
    """The ticket. Raises TicketNotFound if it is None."""
    if ticket is None:
        raise TicketNotFound(ticket_id=ticket_id)
    return ticket


async def _require_answer(conn: Connection, ticket: Ticket) -> None:
    if ticket.resolution.strip() or await store.was_answered(conn, ticket.ticket_id):
        return
    missing = "say how it was solved, or reply to the customer first"
    raise InvalidRequest(violations=[FieldViolation("ticket.resolution", missing, "ticket.resolution.required")])
