"""Files on tickets: the row in the database, the content in the object store."""

import hashlib
from uuid import UUID

from meshkit.errors import DomainError
from meshkit.ids import new_id
from meshkit.objects import ObjectStore
from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Connection, Database
from meshkit.telemetry import get_logger
from svc_ticketing import store
from svc_ticketing.errors import AttachmentNotFound, TicketClosed, TicketNotFound
from svc_ticketing.model import Attachment, NewAttachment, Status
from svc_ticketing.repeatable import RequestKey
from svc_ticketing.tickets import found

log = get_logger(__name__)


class Attachments:
    """Files of customers and agents. The content is never served under the type that its sender claimed."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._db = database
        self._objects = objects

    async def create(
        self, ticket_id: UUID, filename: str, media_type: str, content: bytes, request: RequestKey | None
    ) -> Attachment:
        """Adds a file, once by `request`. Raises TicketNotFound, TicketClosed, RequestIdReused."""
        async with self._db.connection() as conn:
            if earlier := await _earlier(conn, request):
                return earlier
            ticket = found(await store.get_ticket(conn, ticket_id), ticket_id)
            if ticket.status is Status.CLOSED:
                raise TicketClosed(ticket_id=ticket_id)
        attachment_id = new_id()
        new = NewAttachment(
            attachment_id=attachment_id,
            ticket_id=ticket_id,
            filename=filename,
            media_type=media_type,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            object_key=f"attachments/{ticket_id}/{attachment_id}",
        )
        # The content first: a row without content would be a broken promise, an object without a row is only litter.
        await self._objects.put(new.object_key, content, if_none_match=True)
        try:
            async with self._db.transaction() as conn:
                ticket = found(await store.lock_ticket(conn, ticket_id), ticket_id)
                if ticket.status is Status.CLOSED:
                    raise TicketClosed(ticket_id=ticket_id)
                added = await store.insert_attachment(conn, new, request)
                if added is not None:
                    await store.touch_ticket(conn, ticket_id)
                    return added
                added = await _earlier(conn, request)
        except DomainError:
            # Refused before the commit. Any other failure may have come after it: then the object must stay.
            await self._discard(new.object_key)
            raise
        assert added is not None  # What stood in the way has committed.
        await self._discard(new.object_key)
        return added

    async def page(self, ticket_id: UUID, *, size: int, token: str) -> tuple[list[Attachment], str]:
        """A page, oldest first, and the token of the next one. Raises TicketNotFound, PageTokenInvalid."""
        filters = ("attachments", ticket_id)
        cursor = decode_token(token, filters=filters, kinds=(UUID,))
        async with self._db.connection() as conn:
            if not await store.ticket_exists(conn, ticket_id):
                raise TicketNotFound(ticket_id=ticket_id)
            after = cursor[0] if cursor else None
            rows = await store.list_attachments(conn, ticket_id, after=after, limit=size + 1)
        if len(rows) <= size:
            return rows, ""
        return rows[:size], encode_token((rows[size - 1].attachment_id,), filters=filters)

    async def content(self, ticket_id: UUID, attachment_id: UUID) -> bytes:
        """The file's bytes. Raises TicketNotFound, AttachmentNotFound."""
        async with self._db.connection() as conn:
            attachment = await store.get_attachment(conn, ticket_id, attachment_id)
            if attachment is None:
                if not await store.ticket_exists(conn, ticket_id):
                    raise TicketNotFound(ticket_id=ticket_id)
                raise AttachmentNotFound(attachment_id=attachment_id)
        return await self._objects.get(attachment.object_key)

    async def _discard(self, object_key: str) -> None:
        try:
            await self._objects.delete(object_key)
        except OSError as exc:
            log.warning("object_left_behind", object_key=object_key, error=type(exc).__name__)


async def _earlier(conn: Connection, request: RequestKey | None) -> Attachment | None:
    return await store.attachment_of_request(conn, request) if request else None
