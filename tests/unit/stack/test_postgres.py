import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from db.bootstrap import DATABASE, create_database, has_documents
from db.migrate import migrate
from db.placement import PlacementError, data_place, keep_private, run_place, server_account
from db.postgres import PostgresServer


@pytest.fixture
def server(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder / "pgdata")
    yield server
    server.destroy()
    assert not server.data_dir.exists()
    assert not server.run_dir.exists()


async def _value(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_committed_rows_survive_a_kill_and_a_stop(server: PostgresServer) -> None:
    server.start()
    await _value(server.url(), "CREATE TABLE kept AS SELECT 1 AS n")
    server.kill9()
    assert server.pid is None
    server.start()
    assert await _value(server.url(), "SELECT n FROM kept") == 1
    server.stop()
    server.start()
    assert await _value(server.url(), "SELECT n FROM kept") == 1


async def test_only_a_private_socket_listens(server: PostgresServer) -> None:
    server.start()
    assert stat.S_IMODE(server.run_dir.stat().st_mode) == 0o700
    assert await _value(server.url(), "SHOW listen_addresses") == ""
    assert await _value(server.url(), "SHOW unix_socket_permissions") == "0700"


async def test_durable_and_as_configured(server: PostgresServer) -> None:
    server.start()
    for setting, value in (("fsync", "on"), ("jit", "off"), ("max_connections", "200"), ("data_checksums", "on")):
        assert await _value(server.url(), f"SHOW {setting}") == value
    assert await _value(server.url(), "SELECT lower('ÄÉ')") == "äé", "case is known for all of Unicode"


async def test_a_fresh_server_takes_all_migrations(server: PostgresServer) -> None:
    server.start()
    assert await create_database(server.url())
    assert not await create_database(server.url())
    owner = server.url("groundline", DATABASE)
    assert await migrate(owner)
    assert await migrate(owner) == []
    assert not await has_documents(owner)
    assert await _value(server.url("groundline_gateway", DATABASE), "SELECT current_user") == "groundline_gateway"


def test_a_folder_with_something_else_in_it_is_left_alone(server: PostgresServer) -> None:
    server.data_dir.mkdir()
    (server.data_dir / "letters").touch()
    with pytest.raises(Exception, match="is not empty"):
        server.start()
    assert (server.data_dir / "letters").exists()


def test_a_folder_that_the_account_can_t_enter_is_stood_in_for(folder: Path) -> None:
    account = server_account()
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    wanted = closed / "pgdata"
    assert (data_place(wanted, account) == wanted) == (account is None)
    assert data_place(wanted, account) == data_place(wanted, account)


def test_a_long_path_gets_a_short_folder_for_sockets(folder: Path) -> None:
    assert run_place(folder / "run") == folder / "run"
    place = run_place(folder / ("long" * 30))
    assert len(str(place)) < 80
    assert place == run_place(folder / ("long" * 30))


def test_a_folder_that_somebody_else_made_is_refused(folder: Path) -> None:
    (folder / "theirs").mkdir()
    (folder / "link").symlink_to(folder / "theirs")
    with pytest.raises(PlacementError, match="belongs to somebody else"):
        keep_private(folder / "link", None)
