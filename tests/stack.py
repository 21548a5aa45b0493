"""One whole stack on free ports, in a folder of its own: every process, the edge in front, the samples ingested."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from cli.commands.stack import ingest_samples
from cli.mesh import Mesh
from cli.stack import Stack
from meshkit.identity import TokenSigner, role_from_name

# Every table of ours. `xmin` tells of an update where the count stays the same.
# Without what retrieval's replicas say of themselves every few seconds, whoever calls or nobody.
# Not what workers write by the clock, whoever calls: where the poll of tickets stands, and which models are served.
_TABLES = """
select format('%I.%I', schemaname, tablename) from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
  and tablename not in ('model_servers', 'cursors') order by 1
"""
_BUSY = "select count(*) from messaging.outbox where status not in ('done', 'dead')"


@dataclass(frozen=True)
class Live:
    """A running stack, with what it takes to call it as anybody and to look at what it wrote."""

    stack: Stack
    signer: TokenSigner

    def token(self, role: str, subject: str = "tester", *, session_id: str | None = None, ttl_s: float = 900) -> str:
        """A valid token for `role` (`agent`, `admin`, `customer`, …)."""
        return self.signer.mint(role_from_name(role), subject, session_id=session_id, ttl_s=ttl_s)

    def mesh(self, token: str | None) -> Mesh:
        """gRPC stubs of all services behind the edge. Use it as a context manager."""
        return Mesh(self.stack.edge_target, token)

    def http(self) -> httpx.AsyncClient:
        """A REST client of the edge, which keeps no cookies. Use it as a context manager."""
        client = httpx.AsyncClient(base_url=self.stack.edge_url, timeout=20, trust_env=False)
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return client

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[asyncpg.Connection]:
        """The database, as the owner of everything in it."""
        conn = await asyncpg.connect(self.stack.database_url())
        try:
            yield conn
        finally:
            await conn.close()


def logged(stack: Stack, event: str) -> list[str]:
    """The processes' log lines of this event, oldest first within each."""
    mark = f'"event":"{event}"'
    return [
        line for log in sorted(stack.home.logs.glob("*.log")) for line in log.read_text().splitlines() if mark in line
    ]


def running_stack(home: Path) -> Live:
    """A stack that runs already."""
    stack = Stack(home)
    stack.wait_healthy(timeout_s=10)
    return Live(stack, TokenSigner.from_file(stack.home.signing_key))


@contextmanager
def whole_stack(*, samples: bool = True, replicas: int = 1) -> Iterator[Live]:
    """Starts a stack, and stops and deletes it at the end. Several may run at once."""
    folder = Path(tempfile.mkdtemp(prefix="groundline-test-"))
    # PostgreSQL's account must get through to its files; what is private below is in private folders.
    folder.chmod(0o711)
    stack = Stack(folder / "home", edge_port=0, replicas=replicas)
    try:
        stack.up()
        if samples:
            ingest_samples(stack)
        yield Live(stack, TokenSigner.from_file(stack.home.signing_key))
    finally:
        stack.destroy()
        shutil.rmtree(folder, ignore_errors=True)


async def written(conn: asyncpg.Connection) -> Mapping[str, Any]:
    """What stands in every table that calls write: how many rows, and a number that any change of a row changes."""
    tables = [row[0] for row in await conn.fetch(_TABLES)]
    each = [
        f"select '{name}' as name, count(*) as rows, sum(xmin::text::bigint) as state from {name}" for name in tables
    ]
    return {row["name"]: (row["rows"], row["state"]) for row in await conn.fetch(" union all ".join(each))}


async def is_idle(conn: asyncpg.Connection) -> bool:
    """Whether every command of the outbox has come to its end."""
    return not await conn.fetchval(_BUSY)
