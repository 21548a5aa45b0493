"""Comments: replies that become messages of the conversation, customers' messages mirrored here, internal notes."""

from dataclasses import replace
from uuid import UUID

from meshkit import failpoints
from meshkit.identity import Principal
from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Connection, Database
from svc_ticketing import store
from svc_ticketing.announcing import announce_updated
from svc_ticketing.conversation import have_mirrored, have_taken_over
from svc_ticketing.errors import TicketClosed, TicketNotFound
from svc_ticketing.lifecycle import after_comment
from svc_ticketing.model import Author, Comment, NewComment, Status, Ticket, Visibility, is_service
from svc_ticketing.repeatable import RequestKey
from svc_ticketing.tickets import found


class Comments:
    """What is said on tickets."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(
        self,
        ticket_id: UUID,
        body: str,
        visibility: Visibility,
        *,
        source_message_id: UUID | None,
        request: RequestKey | None,
        by: Principal,
    ) -> Comment:
        """Writes a comment, once by `request` and once by mirrored message.

        Raises TicketNotFound, TicketClosed, RequestIdReused.
        """
        async with self._db.transaction() as conn:
            ticket = found(await store.lock_ticket(conn, ticket_id), ticket_id)
            author_type, author = _author(ticket, source_message_id, by)
            new = NewComment(
                ticket_id=ticket_id,
                author_type=author_type,
                author=author,
                visibility=visibility,
                body=body,
                source_message_id=source_message_id if author_type is Author.CUSTOMER else None,
            )
            # Asked before all else: a repeated call gets its answer even if the ticket was closed meanwhile.
            earlier = await _earlier(conn, new, request)
            if earlier is not None:
                return earlier
            if ticket.status is Status.CLOSED:
                raise TicketClosed(ticket_id=ticket_id)
            written = await store.insert_comment(conn, new, request)
            if written is None:
                # A rival with the same key on another ticket committed just now, so that it is visible by now.
                earlier = await _earlier(conn, new, request)
                assert earlier is not None
                return earlier
            await store.touch_ticket(conn, ticket_id)
            await _follow(conn, ticket, written)
            if failpoints.ON:
                await failpoints.reach("ticketing.comment.before_commit")
        if failpoints.ON:
            await failpoints.reach("ticketing.comment.committed")
        return written

    async def page(self, ticket_id: UUID, *, size: int, token: str) -> tuple[list[Comment], str]:
        """A page, oldest first, and the token of the next one. Raises TicketNotFound, PageTokenInvalid."""
        filters = ("comments", ticket_id)
        cursor = decode_token(token, filters=filters, kinds=(UUID,))
        async with self._db.connection() as conn:
            if not await store.ticket_exists(conn, ticket_id):
                raise TicketNotFound(ticket_id=ticket_id)
            after = cursor[0] if cursor else None
            rows = await store.list_comments(conn, ticket_id, after=after, limit=size + 1)
        if len(rows) <= size:
            return rows, ""
        return rows[:size], encode_token((rows[size - 1].comment_id,), filters=filters)


def _author(ticket: Ticket, source_message_id: UUID | None, by: Principal) -> tuple[Author, str]:
    if not is_service(by):
        return Author.AGENT, by.subject
    if source_message_id is not None:
        return Author.CUSTOMER, ticket.customer_id
    return Author.SYSTEM, by.subject


async def _earlier(conn: Connection, new: NewComment, request: RequestKey | None) -> Comment | None:
    if request is not None and (known := await store.comment_of_request(conn, request)):
        return known
    if new.source_message_id is not None:
        return await store.comment_of_message(conn, new.source_message_id)
    return None


async def _follow(conn: Connection, ticket: Ticket, comment: Comment) -> None:
    """What a new comment changes beside itself."""
    status = after_comment(ticket.status, comment.author_type, comment.visibility)
    if status is not ticket.status:
        try:
            async with conn.transaction():
                opened_at = await store.set_status(conn, ticket.ticket_id, status)
                if ticket.status is Status.RESOLVED:
                    await have_taken_over(conn, ticket.session_id, ticket.ticket_id, opened_at)
                # The comment has raised the revision already.
                await announce_updated(conn, replace(ticket, status=status, revision=ticket.revision + 1))
        except store.OpenTicketStands:
            # The conversation's new ticket is where a person will answer; this one keeps the words, and stays resolved.
            pass
    if comment.author_type is Author.AGENT and comment.visibility is Visibility.PUBLIC:
        await have_mirrored(conn, ticket, comment)
