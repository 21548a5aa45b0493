"""A PostgreSQL server of the benchmark's own, with conversations to post to."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from bench.requests import Customer
from db.bootstrap import DATABASE, OWNER, create_database
from db.migrate import migrate
from db.postgres import PostgresServer
from groundline.options.v1 import access_pb2
from meshkit.identity import TokenSigner, create_keys
from meshkit.ids import new_id

# Enough that two calls seldom meet on one conversation's row, few enough that all are known after the warm-up.
CONVERSATIONS = 1000
TOKEN_TTL_S = 6 * 3600

INSERT_SESSIONS = """
INSERT INTO conversation.sessions (session_id, channel, knowledge_base)
SELECT session_id, 'web', 'default' FROM unnest($1::uuid[]) AS session_id
"""


@dataclass(frozen=True)
class Ground:
    """What every benchmark of the gateway stands on."""

    server: PostgresServer
    folder: Path
    signing_key: Path
    jwks: Path
    customers: tuple[Customer, ...]

    def url(self, role: str) -> str:
        """The database as `role` sees it."""
        return self.server.url(role, DATABASE)


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Starts a server in `folder`, migrates it and opens conversations; deletes the data at the end."""
    signing_key, jwks = create_keys(folder / "keys")
    server = PostgresServer(folder / "pgdata")
    try:
        server.start()
        sessions = asyncio.run(_prepare(server))
        signer = TokenSigner.from_file(signing_key)
        yield Ground(server, folder, signing_key, jwks, tuple(_customer(signer, each) for each in sessions))
    finally:
        server.destroy()


async def _prepare(server: PostgresServer) -> list[UUID]:
    await create_database(server.url())
    await migrate(server.url(OWNER, DATABASE))
    sessions = [new_id() for _ in range(CONVERSATIONS)]
    connection = await asyncpg.connect(server.url(OWNER, DATABASE), timeout=10)
    try:
        await connection.execute(INSERT_SESSIONS, sessions, timeout=30)
    finally:
        await connection.close(timeout=10)
    return sessions


def _customer(signer: TokenSigner, session_id: UUID) -> Customer:
    session = str(session_id)
    subject = f"session:{session}"
    return Customer(session, signer.mint(access_pb2.ROLE_CUSTOMER, subject, session_id=session, ttl_s=TOKEN_TTL_S))
