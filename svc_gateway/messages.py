"""Writing and reading the chain of a conversation."""

from dataclasses import dataclass
from uuid import UUID

from meshkit import failpoints
from meshkit.call import current_activity
from meshkit.errors import RequestIdReused
from meshkit.ids import new_id
from meshkit.postgres import Connection, Database
from svc_gateway import store
from svc_gateway.errors import MessageNotFound, MessageNotRateable, SessionNotFound
from svc_gateway.hints import Hints
from svc_gateway.store import MessageRow

RATEABLE_ROLES = frozenset({"assistant", "agent"})


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message that is durable."""

    message_id: UUID
    sequence: int


class Messages:
    """The chain: a customer's words go in here, in one statement, and everything is read here."""

    def __init__(self, database: Database, hints: Hints, *, fast_path_grace_s: float) -> None:
        self._db = database
        self._hints = hints
        self._grace_s = fast_path_grace_s

    async def post(self, session_id: UUID, content: str, request_id: str | None) -> Receipt:
        """Writes a customer's message and the command to handle it, then hints at it.

        Raises SessionNotFound, RequestIdReused.
        """
        message_id = new_id()
        activity = current_activity()
        traceparent = activity.traceparent or None if activity else None
        if failpoints.ON:
            await failpoints.reach("gateway.message.before_commit")
        async with self._db.connection() as conn:
            row = await conn.fetchrow(
                store.queries.post_message,
                session_id,
                message_id,
                content,
                request_id,
                new_id(),
                self._grace_s,
                traceparent,
            )
            sequence = row["message_sequence"] if row is not None else None
            if sequence is None:
                return await self._repeated(conn, session_id, content, request_id)
        # Committed: from here on nothing can be lost, only be late.
        if failpoints.ON:
            await failpoints.reach("gateway.message.committed")
        self._hints.give(session_id)
        return Receipt(message_id, sequence)

    async def page(self, session_id: UUID, *, after: int, limit: int) -> list[MessageRow]:
        """At most `limit` messages after a place. Raises SessionNotFound."""
        async with self._db.connection() as conn:
            found = await store.read_messages(conn, session_id, after=after, limit=limit)
            if not found and await store.read_session(conn, session_id) is None:
                raise SessionNotFound(session_id=session_id)
        return found

    async def rate(self, session_id: UUID, message_id: UUID, rating: str, comment: str) -> MessageRow:
        """Stores a rating and returns the rated message. Raises MessageNotFound, MessageNotRateable."""
        async with self._db.transaction() as conn:
            message = await store.read_message(conn, session_id, message_id)
            if message is None:
                raise MessageNotFound(message_id=message_id)
            if message.role not in RATEABLE_ROLES:
                raise MessageNotRateable(message_id=message_id)
            await store.rate_message(conn, session_id, message_id, rating, comment)
            rated = await store.read_message(conn, session_id, message_id)
        return rated or message

    async def _repeated(self, conn: Connection, session_id: UUID, content: str, request_id: str | None) -> Receipt:
        earlier = None
        if request_id is not None:
            earlier = await store.message_by_request(conn, session_id, request_id)
        if earlier is None:
            raise SessionNotFound(session_id=session_id)
        if earlier.content != content:
            raise RequestIdReused(request_id=request_id)
        return Receipt(earlier.message_id, earlier.sequence)
