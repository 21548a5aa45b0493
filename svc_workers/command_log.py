"""The outbox as operators see it: what waits, what is dead, and a second chance or none for the dead."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from groundline.commands.v1 import audit_service_pb2 as pb
from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Connection, Database
from meshkit.telemetry import get_logger
from svc_workers import audit, store
from svc_workers.errors import CommandNotFound

log = get_logger(__name__)


class CommandLog:
    """Reads the outbox, redrives and discards. What is done goes into the audit trail with it."""

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
        return await self._act(command_id, store.redrive_command, pb.AUDIT_ACTION_COMMAND_REDRIVEN)

    async def discard(self, command_id: UUID, *, note: str = "") -> store.CommandRow:
        """Gives a dead command up for good, and leaves any other as it is. Raises CommandNotFound."""
        return await self._act(command_id, store.discard_command, pb.AUDIT_ACTION_COMMAND_DISCARDED, note)

    async def _act(
        self,
        command_id: UUID,
        change: Callable[[Connection, UUID], Awaitable[bool]],
        action: pb.AuditAction.ValueType,
        note: str = "",
    ) -> store.CommandRow:
        async with self._db.transaction() as conn:
            changed = await change(conn, command_id)
            row = await store.get_command(conn, command_id)
            if row is None:
                raise CommandNotFound(command_id=command_id)
            await audit.record(conn, action, command_id, changed=changed, note=note)
        log.info("command_acted_on", command_id=str(command_id), action=pb.AuditAction.Name(action), changed=changed)
        return row
