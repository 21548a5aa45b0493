"""The outbox as operators see it: what waits, what is dead, and a second chance for the dead."""

from uuid import UUID

from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Database
from meshkit.telemetry import get_logger
from svc_workers import store
from svc_workers.errors import CommandNotFound

log = get_logger(__name__)


class CommandLog:
    """Reads the outbox, and redrives."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def page(
        self, *, status: str | None, type: str | None, size: int, token: str
    ) -> tuple[list[store.CommandRow], str]:
        """A page, oldest first, and the token of the next one, "" after the last. Raises PageTokenInvalid."""
        filters = ("commands", status, type)
        cursor = decode_token(token, filters=filters, kinds=(UUID,))
        async with self._db.connection() as conn:
            rows = await store.list_commands(
                conn, after=cursor[0] if cursor else None, status=status, type=type, limit=size + 1
            )
        if len(rows) <= size:
            return rows, ""
        return rows[:size], encode_token((rows[size - 1].outbox_id,), filters=filters)

    async def get(self, command_id: UUID) -> store.CommandRow:
        """One command. Raises CommandNotFound."""
        async with self._db.connection() as conn:
            row = await store.get_command(conn, command_id)
        if row is None:
            raise CommandNotFound(command_id=command_id)
        return row

    async def redrive(self, command_id: UUID) -> store.CommandRow:
        """Makes a dead command pending, and leaves any other as it is. Raises CommandNotFound."""
        async with self._db.transaction() as conn:
            if await store.redrive_command(conn, command_id):
                log.info("command_redriven", command_id=str(command_id))
            row = await store.get_command(conn, command_id)
        if row is None:
            raise CommandNotFound(command_id=command_id)
        return row
