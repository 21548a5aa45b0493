"""What a service could do with its database credential if somebody took it over: its own work and no more."""

import asyncpg
import pytest

from ..stack import Live

# A role and what it must not be able to do; `where false` and the like, for the right is checked before any row.
FORBIDDEN = (
    ("gateway", "select 1 from ticketing.tickets"),
    ("gateway", "select 1 from knowledge.documents"),
    ("gateway", "select payload_json from messaging.outbox"),
    ("gateway", "delete from conversation.messages where false"),
    ("gateway", "update messaging.outbox set status = 'done' where false"),
    ("orchestrator", "select 1 from ticketing.tickets"),
    ("orchestrator", "select 1 from knowledge.doc_chunks"),
    ("orchestrator", "delete from conversation.events where false"),
    ("retrieval", "select 1 from conversation.messages"),
    ("retrieval", "select 1 from conversation.sessions"),
    ("retrieval", "select 1 from ticketing.tickets"),
    ("ticketing", "select 1 from conversation.messages"),
    ("ticketing", "select 1 from knowledge.documents"),
    ("ticketing", "delete from ticketing.tickets where false"),
    ("workers", "select 1 from conversation.messages"),
    ("workers", "select 1 from ticketing.tickets"),
    ("workers", "delete from knowledge.documents where false"),
    *(
        (role, "create table public.mine ()")
        for role in ("gateway", "orchestrator", "retrieval", "ticketing", "workers")
    ),
    *((role, "create role mine") for role in ("gateway", "orchestrator", "retrieval", "ticketing", "workers")),
    *((role, "select pg_read_file('/etc/passwd')") for role in ("gateway", "retrieval", "workers")),
    *((role, "copy (select 1) to program 'true'") for role in ("gateway", "retrieval", "workers")),
)


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN)
async def test_is_not_allowed(live: Live, role: str, statement: str) -> None:
    conn = await asyncpg.connect(live.stack.database_url(f"groundline_{role}"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)
    finally:
        await conn.close()
