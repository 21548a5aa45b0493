"""The feed of what happened to tickets, for whoever missed an event of it. docs/decisions/0018-ticket-sync-polls.md"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Database
from svc_ticketing import store
from svc_ticketing.model import TicketChange

# A writer reads the clock a moment before its transaction gets a number, and clocks are set back a little now and then.
MARGIN = timedelta(seconds=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NO_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
# What cursors are made of, with the number of that form.
_FORM = ("ticket_changes", 1)


@dataclass(frozen=True, slots=True)
class Mark:
    """Who changed a ticket up to `at` did so in a transaction that is numbered below `transaction`."""

    at: datetime
    transaction: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to (`at`, `id`) is listed. Up to the mark's time may be listed what its transactions wrote, once
    all of those have ended."""

    at: datetime
    id: UUID
    mark: Mark | None

    def encode(self) -> str:
        """As callers keep it."""
        mark_at, transaction = (self.mark.at, self.mark.transaction) if self.mark else (BEGINNING, 0)
        return encode_token((self.at, self.id, mark_at, transaction), filters=_FORM)

    @classmethod
    def decode(cls, text: str) -> "Cursor | None":
        """None for "". Raises PageTokenInvalid."""
        values = decode_token(text, filters=_FORM, kinds=(datetime, UUID, datetime, int))
        if values is None:
            return None
        at, id, mark_at, transaction = values
        return cls(at, id, Mark(mark_at, transaction) if transaction else None)


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a look at the database shows: all transactions below `oldest` have ended, none from `following` on has
    begun."""

    now: datetime
    oldest: int
    following: int

    @property
    def mark(self) -> Mark:
        """What can be listed once all that is open now has ended."""
        return Mark(self.now - MARGIN, self.following)

    def settles(self, mark: Mark) -> bool:
        """Whether all of the mark's transactions have ended."""
        return self.oldest >= mark.transaction

    def knows(self, mark: Mark) -> bool:
        """Whether the mark was made here: a restored database may count its transactions from anew."""
        return mark.transaction <= self.following


class Changes:
    """Changes of tickets, oldest first, none left out however late it commits."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def page(self, *, cursor: str, since: datetime | None, size: int) -> tuple[list[TicketChange], Cursor, bool]:
        """A page, where to go on, and whether more is there already. Raises PageTokenInvalid."""
        place = Cursor.decode(cursor) or Cursor(since or BEGINNING, NO_ID, None)
        async with self._db.connection() as conn:
            horizon = Horizon(*await store.horizon(conn))
            if place.mark is None or not horizon.knows(place.mark):
                return [], Cursor(place.at, place.id, horizon.mark), False
            if not horizon.settles(place.mark):
                return [], place, False
            # A statement of its own, after that look: it sees whatever had ended by then.
            rows = await store.list_changes(conn, after=(place.at, place.id), until=place.mark.at, limit=size + 1)
        if len(rows) > size:
            last = rows[size - 1]
            return rows[:size], Cursor(last.changed_at, last.id, place.mark), True
        # Not back, if the clock was set back since.
        at, id = max((place.at, place.id), (place.mark.at, LAST_ID))
        return rows, Cursor(at, id, horizon.mark), False
