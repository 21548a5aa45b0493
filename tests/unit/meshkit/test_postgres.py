import asyncio
import time

import asyncpg
import pytest

from meshkit import postgres
from meshkit.call import Activity, enter, leave
from meshkit.errors import DependencyUnavailable, Overloaded
from meshkit.listener import Listener
from meshkit.postgres import DATABASE_ERRORS, Database, load_queries, parse_queries, translate
from meshkit.testing import eventually


def test_queries_are_named_and_stripped_of_comments() -> None:
    queries = parse_queries("-- one --\n-- What it is for.\nselect 1\n\n-- two --\nselect '--', $1\n")
    assert dict(queries) == {"one": "select 1", "two": "select '--', $1"}
    assert queries.one == queries["one"]
    with pytest.raises(AttributeError, match="three"):
        _ = queries.three


@pytest.mark.parametrize("text", ["-- a --\nselect 1\n-- a --\nselect 2", "-- a --\n-- only a comment"])
def test_a_query_file_with_a_slip_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="query a"):
        parse_queries(text)


def test_queries_belong_to_a_package() -> None:
    assert "claim_outbox" in load_queries("meshkit.outbox", "outbox.sql")
    with pytest.raises(ValueError, match="package"):
        load_queries("")


async def test_json_and_uuids_come_as_python_values(database: Database) -> None:
    value = {"a": [1, "ü", None]}
    assert await database.fetchval("select $1::jsonb", value) == value


async def test_a_transaction_commits_or_rolls_back_as_one(database: Database) -> None:
    await database.execute("create table t (n int)")
    with pytest.raises(RuntimeError):
        async with database.transaction() as conn:
            await conn.execute("insert into t values (1)")
            raise RuntimeError
    async with database.transaction() as conn:
        await conn.execute("insert into t values (2)")
    assert [row["n"] for row in await database.fetch("select n from t")] == [2]


async def test_a_connection_left_in_a_transaction_is_clean_for_the_next_one(database: Database) -> None:
    async with database.connection() as conn:
        await conn.execute("begin")
        await conn.execute("create table left_over (n int)")
    for _ in range(5):
        assert await database.fetchval("select to_regclass('left_over')") is None


async def test_a_full_pool_refuses_quickly_and_recovers(database_url: str) -> None:
    database = await Database.open(database_url, name="test", max_size=1, acquire_timeout_s=0.1, max_waiters=1)
    async with database.connection():
        waiting = asyncio.create_task(database.fetchval("select 1"))
        await asyncio.sleep(0)
        # The place for waiters is taken: no wait at all.
        with pytest.raises(Overloaded) as refused:
            async with asyncio.timeout(0.05):
                await database.fetchval("select 1")
        assert refused.value.retry_after_s is not None
        with pytest.raises(Overloaded):
            await waiting
    assert await database.fetchval("select 1") == 1
    await database.close()


async def test_a_slow_statement_is_cancelled_by_the_server(database_url: str) -> None:
    database = await Database.open(database_url, name="test", statement_timeout_s=0.1)
    with pytest.raises(asyncpg.QueryCanceledError) as caught:
        await database.fetchval("select pg_sleep(5)")
    assert isinstance(translate(caught.value), Overloaded)
    await database.close()


async def test_a_cancelled_caller_leaves_no_statement_running(database: Database) -> None:
    sleeping = asyncio.create_task(database.fetchval("select pg_sleep(30)"))
    active = "select count(*) from pg_stat_activity where query like 'select pg_sleep(30)%' and state = 'active'"
    await eventually(lambda: database.fetchval(active))
    sleeping.cancel()

    async def gone() -> bool:
        return not await database.fetchval(active)

    await eventually(gone)


async def test_a_server_that_is_not_there_is_an_unavailable_dependency() -> None:
    with pytest.raises(DependencyUnavailable):
        await Database.open("postgresql://127.0.0.1:1/none", name="test")


async def test_a_connection_that_the_server_ends_is_an_unavailable_dependency(database: Database) -> None:
    async with database.connection() as conn, database.connection() as other:
        victim = await conn.fetchval("select pg_backend_pid()")
        await other.execute("select pg_terminate_backend($1)", victim)
        # Which of them depends on when the farewell arrives.
        with pytest.raises(DATABASE_ERRORS) as caught:
            for _ in range(10):
                await conn.fetchval("select 1")
    assert isinstance(translate(caught.value), DependencyUnavailable)
    assert await database.fetchval("select 1") == 1


@pytest.mark.parametrize("exc", [asyncpg.UniqueViolationError("x"), ValueError("x"), asyncpg.UndefinedTableError("x")])
def test_what_only_a_bug_explains_is_not_translated(exc: Exception) -> None:
    assert translate(exc) is None


async def test_a_notification_wakes_at_once(database_url: str, database: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(database_url, poll_interval_s=600)
    unsubscribe = await listener.subscribe("news", heard.put_nowait)
    running = asyncio.create_task(listener.run())
    async with asyncio.timeout(5):
        assert await heard.get() == ""  # Connected: look once.
        late: asyncio.Queue[str] = asyncio.Queue()
        await listener.subscribe("later", late.put_nowait)
        await database.execute("select pg_notify('news', '1'), pg_notify('later', '2')")
        assert (await heard.get(), await late.get()) == ("1", "2")
    unsubscribe()
    await database.execute("select pg_notify('news', '3'), pg_notify('later', '4')")
    async with asyncio.timeout(5):
        assert await late.get() == "4"
    assert heard.empty()
    running.cancel()


async def test_the_clock_wakes_when_nothing_else_does(database_url: str) -> None:
    woken = asyncio.Event()
    count = 0

    def wake(_: str) -> None:
        nonlocal count
        count += 1
        if count == 3:
            woken.set()

    listener = Listener(database_url, poll_interval_s=0.05)
    await listener.subscribe("silent", wake)
    running = asyncio.create_task(listener.run())
    async with asyncio.timeout(5):
        await woken.wait()
    running.cancel()


async def test_a_lost_listen_connection_is_made_again(database_url: str, database: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(database_url, poll_interval_s=600, reconnect_s=0.05)
    await listener.subscribe("news", heard.put_nowait)
    running = asyncio.create_task(listener.run())
    async with asyncio.timeout(10):
        await heard.get()
        await database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and query ilike 'listen%'"
        )
        assert await heard.get() == ""  # Lost.
        assert await heard.get() == ""  # Connected again.
        await database.execute("select pg_notify('news', 'after')")
        assert await heard.get() == "after"
    running.cancel()


SLEEPING = """
select count(*) from pg_stat_activity
where query like '%pg_sleep(30)%' and pid <> pg_backend_pid() and state = 'active'
"""


@pytest.mark.parametrize(("left_s", "bounded"), [(0.2, True), (60.0, False), (None, False)])
async def test_a_transaction_s_statements_know_the_caller_s_deadline(
    database: Database, left_s: float | None, bounded: bool
) -> None:
    deadline = None if left_s is None else time.monotonic() + left_s
    token = enter(Activity(deadline=deadline))
    try:
        async with database.transaction() as conn:
            shown = await conn.fetchval("select setting::int from pg_settings where name = 'statement_timeout'")
            async with conn.transaction():
                nested = await conn.fetchval("select setting::int from pg_settings where name = 'statement_timeout'")
        async with database.connection() as conn:
            after = await conn.fetchval("select setting::int from pg_settings where name = 'statement_timeout'")
    finally:
        leave(token)
    assert shown == nested
    assert 0 < shown <= 450 if bounded else shown == 10_000
    assert after == 10_000, "the next user of the connection has the pool's own"


async def test_the_server_ends_a_statement_that_nobody_cancelled(database: Database) -> None:
    token = enter(Activity(deadline=time.monotonic() + 0.1))
    try:
        began = time.monotonic()
        with pytest.raises(asyncpg.QueryCanceledError):
            async with database.transaction() as conn:
                await conn.execute("select pg_sleep(30)")
        assert time.monotonic() - began < 2
    finally:
        leave(token)


@pytest.mark.parametrize("checked", [True, False])
async def test_a_statement_ends_with_its_client(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    if not checked:
        monkeypatch.setattr(postgres, "_CLIENT_CHECK", "0")
    client = await Database.open(database_url, name="client", max_size=1)
    async with client.connection() as conn:
        sleeping = asyncio.create_task(conn.execute("select pg_sleep(30)"))
        await eventually(lambda: database.fetchval(SLEEPING))
        # As if the process were killed: nothing is said, the socket is closed.
        conn._con._transport.abort()
        await asyncio.gather(sleeping, return_exceptions=True)
    await client.close()

    async def gone() -> bool:
        return not await database.fetchval(SLEEPING)

    if checked:
        await eventually(gone, timeout_s=5)
    else:
        with pytest.raises(TimeoutError):
            await eventually(gone, timeout_s=3)
