"""A PostgreSQL server, a database of its own for each test, and keys."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cli.stack.rabbitmq import NodePorts, RabbitServer, find_programs
from meshkit import testing
from tests.postgres import migrated_database, own_server

from .amqp_road import free_ports
from .desk import Desk, open_desk
from .scripted import Talk, open_talk


@pytest.fixture
def keys(tmp_path: Path) -> testing.Keys:
    return testing.Keys.create(tmp_path / "keys")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server."""
    with own_server() as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A RabbitMQ node of this test run's own. Whoever kills it starts it again."""
    if find_programs() is None:
        pytest.skip("NOT TESTED: the amqp road needs RabbitMQ, `apt-get install rabbitmq-server`")
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq") / "node", NodePorts(*free_ports(3)))
    server.start()
    yield server
    server.destroy()


@pytest.fixture
async def database_url(server_url: str) -> AsyncIterator[str]:
    """A migrated database, as its owner."""
    async with migrated_database(server_url) as url:
        yield url


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Desk]:
    """Ticketing alone, with production wiring."""
    async with open_desk(database_url, keys, tmp_path) as desk:
        yield desk


@pytest.fixture
async def talk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Talk]:
    """Gateway and orchestrator with production wiring, in front of scripted peers."""
    async with open_talk(database_url, keys, tmp_path) as talk:
        yield talk
