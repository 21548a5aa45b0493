"""The stack's database: an embedded server of its own, or one that it is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from cli.stack.errors import StackError
from cli.stack.layout import Home
from cli.stack.processes import POSTGRES, Program
from cli.stack.shelf import Shelf, shelves_root
from db.bootstrap import DATABASE, OWNER, create_database, has_documents
from db.migrate import MigrationError, migrate
from db.postgres import PostgresError, PostgresServer

T = TypeVar("T")


class Database:
    """Where the data is. `server` is None where `url` names a server that isn't ours to start."""

    def __init__(self, home: Home, url: str | None) -> None:
        self._home, self._url = home, url
        try:
            self.server = None if url else PostgresServer(home.data)
        except PostgresError as error:
            raise StackError(str(error)) from error

    def url(self, role: str = OWNER) -> str:
        """The database for `role`; a server that we are told of is used under the one name we are told."""
        return self.server.url(role, DATABASE) if self.server is not None else self._url or ""

    @property
    def shelf(self) -> Shelf:
        """Where this server's backups are. Raises StackError if the server is not ours, or isn't made yet."""
        if self.server is None:
            raise StackError("this PostgreSQL is not Groundline's own: back it up with its own means (docs/runbooks)")
        try:
            return Shelf(shelves_root(self._home, self.server), self.server.system_identifier)
        except PostgresError as error:
            raise StackError(str(error)) from error

    def programs(self) -> Iterator[Program]:
        """What the supervisor runs for it. Makes the cluster if there is none. Raises StackError."""
        if self.server is None:
            return
        try:
            self.server.prepare()
        except PostgresError as error:
            raise StackError(str(error)) from error
        self.server.add_settings(self.shelf.archive.settings())
        account = self.server.account
        yield Program(
            POSTGRES,
            self.server.command(),
            {},
            account=account.name if account else None,
            # Fast: disconnects everyone and writes a checkpoint. TERM would wait for clients.
            stop_signal="INT",
            stop_timeout_s=60,
            directory=Path("/"),
        )

    def migrate(self) -> list[str]:
        """Brings the schema up to date and returns what was applied. Raises StackError."""
        return self._run(self._migrate())

    async def _migrate(self) -> list[str]:
        if self.server is not None:
            await create_database(self.server.url())
        return await migrate(self.url())

    def is_empty(self) -> bool:
        """Whether nothing was ever ingested. Raises StackError."""
        return not self._run(has_documents(self.url()))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        # In a thread, for the caller may itself be inside an event loop.
        with ThreadPoolExecutor(max_workers=1) as thread:
            try:
                return thread.submit(asyncio.run, work).result()
            except MigrationError as error:
                raise StackError(f"the database can't be migrated: {error}") from error
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                raise StackError(f"the database can't be used: {str(error) or type(error).__name__}") from error
