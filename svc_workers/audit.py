"""The trail of what operators did: who, what, to what, when, and in which call."""

from uuid import UUID

from groundline.commands.v1 import audit_service_pb2 as pb
from meshkit import audit
from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Connection, Database
from svc_workers import store

ACTION_PREFIX = "AUDIT_ACTION_"


async def record(
    conn: Connection, action: pb.AuditAction.ValueType, resource_id: UUID, *, changed: bool, note: str = ""
) -> None:
    """Writes down what the current caller does, in the transaction that does it."""
    name = pb.AuditAction.Name(action).removeprefix(ACTION_PREFIX).lower()
    await audit.record(conn, name, resource_id, changed=changed, note=note)


class AuditTrail:
    """Reads the trail."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def page(self, *, resource_id: UUID | None, size: int, token: str) -> tuple[list[store.AuditRow], str]:
        """A page, newest first, and the token of the next one, "" after the last. Raises PageTokenInvalid."""
        filters = ("audit", resource_id)
        cursor = decode_token(token, filters=filters, kinds=(UUID,))
        async with self._db.connection() as conn:
            rows = await store.list_audit(
                conn, before=cursor[0] if cursor else None, resource_id=resource_id, limit=size + 1
            )
        if len(rows) <= size:
            return rows, ""
        return rows[:size], encode_token((rows[size - 1].audit_id,), filters=filters)
