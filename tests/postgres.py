"""A PostgreSQL server of a test run's own, out of reach of what pytest clears away of other runs."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from db import migrate
from db.postgres import PostgresServer
from meshkit import testing


@contextmanager
def own_folder_server() -> Iterator[PostgresServer]:
    """A server that lives as long as the block, whatever is named."""
    folder = Path(tempfile.mkdtemp(prefix="groundline-pg-"))
    # PostgreSQL's own account must get through to its files; they are in private folders.
    folder.chmod(0o711)
    server = PostgresServer(folder / "data")
    try:
        server.start()
        yield server
    finally:
        server.destroy()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_server() -> Iterator[str]:
    """The URL of the server that GROUNDLINE_TEST_DATABASE_URL names, else of one that lives as long as the block."""
    given = os.environ.get("GROUNDLINE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with own_folder_server() as server:
        yield server.url()


@asynccontextmanager
async def migrated_database(server_url: str) -> AsyncIterator[str]:
    """A migrated database of one test, as its owner; dropped at the end of the block."""
    migrations = migrate.read_migrations()
    digest = hashlib.sha256("".join(each.sha256 for each in migrations).encode()).hexdigest()[:12]
    template = f"groundline_template_{digest}"
    await testing.ensure_template(server_url, template, migrate.migrate)
    async with testing.cloned_database(server_url, template) as url:
        yield url
