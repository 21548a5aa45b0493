"""The peers' databases at one size, loaded once and asked in any run, in the server that has ours, too."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from bench.load import LoadError
from bench.search.peer_stores import REQUIREMENTS, Asked, Runner, give_questions, run_peer
from bench.search.stored import BUILD_TIMEOUT_S
from bench.side_by_side import Say
from db.postgres import PostgresServer

# What a hundred thousand chunks may take to load; more take more.
LOAD_TIMEOUT_S, LOAD_TIMEOUT_CHUNKS = 2400.0, 100_000
ASK_TIMEOUT_S = 400.0
_WARM = """
SELECT pg_prewarm(oid::regclass)
FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 't', 'i')
ORDER BY relkind = 'i', oid
"""
_INDEX_KINDS = """
SELECT array_agg(DISTINCT amname)
FROM pg_class JOIN pg_am ON pg_am.oid = relam
WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace
"""
_DISCONNECT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"


class PeerDatabases:
    """The peers at one size, each in a database of its own, which is marked when all is loaded."""

    def __init__(
        self, server: PostgresServer, runner: Runner, folder: Path, chunks: int, asked: Asked, say: Say
    ) -> None:
        self._server, self._runner, self._folder, self._chunks, self._asked = server, runner, folder, chunks, asked
        self._say = say

    async def load(self, peer: str) -> float | str:
        """Seconds that loading took, now or in an earlier run; or why it is not loaded."""
        name = self._database(peer)
        requirements = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
        async with connected(self._server.url()) as root:
            mark = await root.fetchval(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", name
            )
            made = json.loads(mark) if mark else {}
            if made.get("requirements") == requirements:
                return float(made["loaded_s"])
            await root.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await root.execute(f"CREATE DATABASE {name}")
            self._say(f"{self._chunks:,} chunks: loading {peer}")
            try:
                took = await self._load(peer)
            except LoadError as error:
                await root.execute(f"DROP DATABASE {name} WITH (FORCE)")
                return str(error)
            mark = json.dumps({"requirements": requirements, "loaded_s": round(took, 1)})
            await root.execute(f"COMMENT ON DATABASE {name} IS '{mark}'")
            return took

    async def _load(self, peer: str) -> float:
        timeout_s = LOAD_TIMEOUT_S * max(1.0, self._chunks / LOAD_TIMEOUT_CHUNKS)
        async with connected(self._url(peer)) as conn:
            await conn.execute("CREATE EXTENSION vector")
            found = await self._run(peer, "load", timeout_s)
            kinds = await conn.fetchval(_INDEX_KINDS) or []
            if not {"hnsw", "gin"} <= set(kinds):
                raise LoadError(f"{peer} made no index of its vectors or none of its words: {', '.join(kinds)}")
            await conn.execute("VACUUM ANALYZE", timeout=BUILD_TIMEOUT_S)
            return float(found["loaded_s"])

    async def ask(self, peer: str) -> dict[str, Any]:
        """Brings its tables into memory, as ours are, and asks: what it found. Raises LoadError."""
        async with connected(self._url(peer)) as conn:
            await conn.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            await conn.execute(_WARM, timeout=BUILD_TIMEOUT_S)
        try:
            found = await self._run(peer, "ask", ASK_TIMEOUT_S)
        finally:
            async with connected(self._server.url()) as root:
                # What it left behind would go on to work beside the next.
                await root.fetch(_DISCONNECT, self._database(peer))
        return found

    async def _run(self, peer: str, step: str, timeout_s: float) -> dict[str, Any]:
        give_questions(self._folder, self._url(peer), self._asked, chunks=self._chunks, indexed=True)
        return await run_peer(self._runner, peer, self._folder, (step,), timeout_s, self._say)

    def _database(self, peer: str) -> str:
        return f"{peer.lower()}_{self._chunks}"

    def _url(self, peer: str) -> str:
        return self._server.url(database=self._database(peer))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for the length of the block."""
    conn = await asyncpg.connect(url)
    try:
        yield conn
    finally:
        await conn.close()
