import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from db import migrate
from meshkit import testing
from meshkit.postgres import Database
from tests.postgres import own_server


@pytest.fixture
def keys(tmp_path: Path) -> testing.Keys:
    return testing.Keys.create(tmp_path / "keys")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server."""
    with own_server() as url:
        yield url


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
