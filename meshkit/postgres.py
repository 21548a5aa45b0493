"""PostgreSQL: a bounded pool, named queries, and what a database's failures mean to a caller."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from asyncpg.exceptions import InternalClientError
from asyncpg.pool import PoolConnectionProxy
from pgvector.asyncpg import register_vector

from meshkit import call as calls
from meshkit.config import ServiceSettings
from meshkit.errors import DependencyUnavailable, DomainError, Overloaded

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    _PlainConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection, Pool, _PlainConnection = asyncpg.Connection, asyncpg.Pool, asyncpg.Connection

# All that a statement or an attempt to connect can fail with.
DATABASE_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, InternalClientError)

# How long a refused caller is asked to wait.
OVERLOADED_RETRY_S = 0.5
UNAVAILABLE_RETRY_S = 1.0

# The server cancels so long after the caller's deadline, so that the caller's own end comes first and says what it was.
_PAST_DEADLINE_S = 0.25
# A statement whose client is gone (killed, or cut off) ends within so long.
_CLIENT_CHECK = "1s"

_HEADER = re.compile(r"^-- ([a-z][a-z0-9_]*) --$", re.MULTILINE)


class Queries(Mapping[str, str]):
    """SQL texts by name, also as attributes: `queries.claim_outbox`. An unknown name raises AttributeError."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"no query named {name}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def parse_queries(text: str) -> Queries:
    """Splits SQL at its `-- name --` headers. Raises ValueError for a name given twice or without a statement."""
    parts = _HEADER.split(text)
    texts: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in texts:
            raise ValueError(f"query {name} is there twice")
        # Comments are for readers of the file; the server parses every byte that it is sent.
        statement = "\n".join(line for line in body.splitlines() if not line.lstrip().startswith("--")).strip()
        if not statement:
            raise ValueError(f"query {name} has no statement")
        texts[name] = statement
    return Queries(texts)


def load_queries(package: str | None, file: str = "queries.sql") -> Queries:
    """The named queries of `package` (give `__package__`). Raises ValueError outside of a package."""
    if not package:
        raise ValueError("queries belong to a package; run this as a module of one")
    return parse_queries(resources.files(package).joinpath(file).read_text(encoding="utf-8"))


class _UnresetConnection(_PlainConnection):
    """Connections of the pool carry no session state (no SET, LISTEN or advisory lock outlives a transaction), so the
    reset that asyncpg sends on every release would only cost a round trip. A transaction left open is rolled back all
    the same."""

    statement_timeout_s: float

    def get_reset_query(self) -> str:
        return ""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """A transaction takes the caller's deadline along, in the round trip of its BEGIN. Whoever waits here cancels
        the statement at the deadline; the server's own clock is for the case that this process can't."""
        if query.startswith("BEGIN") and (left_s := calls.remaining_s()) is not None:
            bound_s = left_s + _PAST_DEADLINE_S
            if bound_s < self.statement_timeout_s:
                query = f"{query} SET LOCAL statement_timeout = {int(bound_s * 1000)};"
        return await super().execute(query, *args, timeout=timeout)


class Database:
    """A bounded pool. Waiting for a connection is bounded in time and in number; beyond, callers get Overloaded."""

    def __init__(self, pool: Pool, *, acquire_timeout_s: float, max_waiters: int) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s
        self._size = pool.get_max_size()
        self._max_callers = self._size + max_waiters
        # Who has a connection or waits for one.
        self._callers = 0

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        name: str,
        max_size: int = 20,
        min_size: int = 1,
        acquire_timeout_s: float = 2.0,
        max_waiters: int = 200,
        statement_timeout_s: float = 10.0,
        vectors: bool = False,
    ) -> "Database":
        """Connects. `name` is shown in pg_stat_activity; `vectors` loads pgvector's codecs.

        Raises DependencyUnavailable if the server can't be reached.
        """

        async def prepare(conn: Any) -> None:
            conn.statement_timeout_s = statement_timeout_s
            await conn.set_type_codec("jsonb", encoder=_to_json, decoder=json.loads, schema="pg_catalog")
            if vectors:
                await register_vector(conn)

        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=min(min_size, max_size),
                max_size=max_size,
                init=prepare,
                connection_class=_UnresetConnection,
                timeout=5.0,
                command_timeout=statement_timeout_s + 5.0,
                server_settings={
                    "application_name": name,
                    "statement_timeout": str(int(statement_timeout_s * 1000)),
                    "idle_in_transaction_session_timeout": str(int(statement_timeout_s * 3000)),
                    "client_connection_check_interval": _CLIENT_CHECK,
                    "jit": "off",
                    "timezone": "UTC",
                },
            )
        except DATABASE_ERRORS as exc:
            raise DependencyUnavailable(retry_after_s=UNAVAILABLE_RETRY_S) from exc
        return cls(pool, acquire_timeout_s=acquire_timeout_s, max_waiters=max_waiters)

    @classmethod
    @asynccontextmanager
    async def from_settings(
        cls, settings: ServiceSettings, *, name: str, vectors: bool = False
    ) -> AsyncIterator["Database"]:
        """Opens what `settings` names and closes it at the end. Raises ValueError if they name no database."""
        if not settings.database_url:
            raise ValueError("GROUNDLINE_DATABASE_URL is not set")
        database = await cls.open(
            settings.database_url,
            name=name,
            max_size=settings.database_pool_size,
            acquire_timeout_s=settings.database_acquire_timeout_s,
            max_waiters=settings.database_waiters,
            statement_timeout_s=settings.database_statement_timeout_s,
            vectors=vectors,
        )
        try:
            yield database
        finally:
            await database.close()

    async def close(self, timeout_s: float = 5.0) -> None:
        """Closes all connections; after `timeout_s` those still in use are cut."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside of a transaction: each statement commits by itself."""
        conn = await self._acquire()
        try:
            yield conn
        except TimeoutError as exc:
            # The server stopped answering: its own statement_timeout would have come first. (A call's deadline
            # arrives as a cancellation, not as this.)
            raise DependencyUnavailable(retry_after_s=UNAVAILABLE_RETRY_S) from exc
        finally:
            try:
                await self._pool.release(conn)
            finally:
                self._callers -= 1

    @asynccontextmanager
    async def transaction(self, *, readonly: bool = False, isolation: Any = None) -> AsyncIterator[Connection]:
        """A connection in a transaction that commits at the end of the block and rolls back on an exception."""
        async with self.connection() as conn, conn.transaction(readonly=readonly, isolation=isolation):
            yield conn

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """All rows of one statement."""
        async with self.connection() as conn:
            return await conn.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """The first row of one statement, or None."""
        async with self.connection() as conn:
            return await conn.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        """The first column of the first row, or None."""
        async with self.connection() as conn:
            return await conn.fetchval(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        """Runs one statement; returns the server's command tag."""
        async with self.connection() as conn:
            return await conn.execute(query, *args)

    async def _acquire(self) -> "PoolConnectionProxy[asyncpg.Record]":
        if self._callers >= self._max_callers:
            raise Overloaded(retry_after_s=OVERLOADED_RETRY_S)
        # Nobody to wait for: a timer would cost more than taking the connection. If one has to be opened first, that
        # is bounded by the pool itself.
        limit_s = None if self._callers < self._size else self._acquire_timeout_s
        self._callers += 1
        try:
            if limit_s is None:
                return await self._pool.acquire()
            # Not `acquire(timeout=…)`: that puts every acquisition into a task of its own.
            async with asyncio.timeout(limit_s):
                return await self._pool.acquire()
        except BaseException as exc:
            self._callers -= 1
            if not isinstance(exc, TimeoutError):
                raise
            if self._pool.get_size() < self._pool.get_max_size():
                # There was room for one more connection, and the server didn't give it.
                raise DependencyUnavailable(retry_after_s=UNAVAILABLE_RETRY_S) from exc
            raise Overloaded(retry_after_s=OVERLOADED_RETRY_S) from exc


def translate(exc: BaseException) -> DomainError | None:
    """What a database failure means to a caller; None for those that only a bug explains.

    Unique and check violations are not here: stores match on the constraint's name where they expect one.
    """
    if isinstance(exc, asyncpg.TooManyConnectionsError | asyncpg.OutOfMemoryError | asyncpg.LockNotAvailableError):
        return Overloaded(retry_after_s=OVERLOADED_RETRY_S)
    if isinstance(exc, asyncpg.QueryCanceledError):
        return Overloaded(retry_after_s=OVERLOADED_RETRY_S)
    if isinstance(exc, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
        return Overloaded(retry_after_s=OVERLOADED_RETRY_S)
    if isinstance(exc, _UNREACHABLE):
        return DependencyUnavailable(retry_after_s=UNAVAILABLE_RETRY_S)
    # A connection that died under its holder is taken back by the pool; what is said of it depends on the moment.
    if isinstance(exc, asyncpg.InterfaceError) and ("closed" in str(exc) or "released" in str(exc)):
        return DependencyUnavailable(retry_after_s=UNAVAILABLE_RETRY_S)
    return None


_UNREACHABLE: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    # What asyncpg says when the server's farewell arrives on an idle connection that is just being used.
    InternalClientError,
    ConnectionError,
    FileNotFoundError,
)


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
