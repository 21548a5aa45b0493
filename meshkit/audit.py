"""The trail of what operators did: who, what, to what, when, and in which call. It is only ever added to."""

from uuid import UUID

from meshkit.call import current_activity, current_principal
from meshkit.ids import new_id
from meshkit.postgres import Connection, load_queries

_queries = load_queries("meshkit", "audit.sql")


async def record(conn: Connection, action: str, resource_id: UUID, *, changed: bool, note: str = "") -> None:
    """Writes down what the current caller does, in the transaction that does it. `action` is in small letters."""
    by, activity = current_principal(), current_activity()
    await conn.execute(
        _queries.insert_audit,
        new_id(),
        by.subject,
        by.role_name,
        action,
        resource_id,
        changed,
        note,
        activity.request_id if activity else "",
    )
