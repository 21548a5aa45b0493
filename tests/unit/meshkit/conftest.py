from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from meshkit import testing
from meshkit.postgres import Database
from tests.postgres import migrated_database, own_server


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
    async with migrated_database(server_url) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.open(database_url, name="test", max_size=5, acquire_timeout_s=0.2)
    yield database
    await database.close()
