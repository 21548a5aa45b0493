import asyncio
import re
from uuid import UUID

import pytest
from google.protobuf.struct_pb2 import Struct

from meshkit import call, inbox, outbox
from meshkit.ids import new_id
from meshkit.outbox import Tidying, rows
from meshkit.outbox.completing import Completing
from meshkit.postgres import Database

LEASE_S = 30.0


async def put(database: Database, key: str, *, ordering_key: UUID | None = None, type: str = "a", **kw: float) -> bool:
    async with database.transaction() as conn:
        return await outbox.put(conn, Struct(), type=type, key=key, ordering_key=ordering_key, **kw)


async def claim(
    database: Database, limit: int = 10, *, type: str = "a", lease_s: float = LEASE_S
) -> dict[str, outbox.Claimed]:
    async with database.connection() as conn:
        return {each.key: each for each in await outbox.claim(conn, {type: limit}, lease_s=lease_s)}


async def test_a_key_is_put_once(database: Database) -> None:
    assert await put(database, "k")
    assert not await put(database, "k")
    assert len(await claim(database)) == 1


async def test_a_rolled_back_state_change_leaves_no_command(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.transaction() as conn:
            await outbox.put(conn, Struct(), type="a", key="k")
            raise RuntimeError
    assert await claim(database) == {}


async def test_payload_and_trace_travel(database: Database) -> None:
    token = call.enter(call.Activity(traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-00"))
    async with database.transaction() as conn:
        await outbox.put(conn, Struct(fields={}), type="a", key="k")
    call.leave(token)
    claimed = (await claim(database))["k"]
    assert (claimed.type, claimed.payload_json, claimed.attempts) == ("a", "{}", 1)
    assert claimed.traceparent.startswith("00-aaaa")


async def test_a_leased_command_is_not_claimed_again_until_the_lease_ends(database: Database) -> None:
    await put(database, "k")
    assert list(await claim(database, lease_s=60)) == ["k"]
    assert await claim(database) == {}
    await database.execute("update messaging.outbox set lease_expires_at = now() - interval '1 second'")
    again = (await claim(database))["k"]
    assert again.attempts == 2


async def test_rivals_never_hold_the_same_command(database: Database) -> None:
    for number in range(40):
        await put(database, str(number))
    found = await asyncio.gather(*(claim(database, 4) for _ in range(15)))
    keys = [key for each in found for key in each]
    assert len(keys) == len(set(keys)) == 40


async def test_oldest_due_first_and_not_before_it_is_due(database: Database) -> None:
    await put(database, "later", delay_s=60)
    await put(database, "second")
    await put(database, "first")
    await database.execute(
        "update messaging.outbox set next_attempt_at = now() - interval '1 hour' where idempotency_key = 'first'"
    )
    assert list(await claim(database, 1)) == ["first"]
    assert list(await claim(database)) == ["second"]


async def test_what_died_with_its_worker_does_not_come_back_together(database: Database) -> None:
    for number in range(40):
        await put(database, str(number))
    spreads = []
    for _ in range(4):
        assert len(await claim(database, 40)) == 40
        spreads.append(
            await database.fetchval(
                "select extract(epoch from max(lease_expires_at) - min(lease_expires_at)) from messaging.outbox"
            )
        )
        # They die before they report.
        await database.execute("update messaging.outbox set lease_expires_at = now()")
    assert spreads[0] == 0, "the first time nobody is suspected"
    assert 1 < spreads[1] <= 3 < spreads[2] <= 15 < spreads[3] <= 30


async def test_each_type_has_its_own_limit(database: Database) -> None:
    for number in range(3):
        await put(database, f"a{number}", type="a")
        await put(database, f"b{number}", type="b")
    async with database.connection() as conn:
        found = await outbox.claim(conn, {"a": 1, "b": 2, "c": 5, "d": 0}, lease_s=LEASE_S)
    assert sorted(each.type for each in found) == ["a", "b", "b"]


async def test_an_earlier_command_of_the_same_key_blocks_in_flight_and_in_backoff(database: Database) -> None:
    session, other = new_id(), new_id()
    await put(database, "1", ordering_key=session)
    await put(database, "2", ordering_key=session)
    await put(database, "other", ordering_key=other)
    await put(database, "free")
    first = await claim(database)
    assert set(first) == {"1", "other", "free"}
    assert await claim(database) == {}
    async with database.connection() as conn:
        await outbox.retry(conn, first["1"], error="x", after_s=60)
    assert await claim(database) == {}
    await put(database, "elsewhere", ordering_key=other)
    async with database.connection() as conn:
        await outbox.complete(conn, first["other"])
    assert set(await claim(database)) == {"elsewhere"}
    await database.execute("update messaging.outbox set next_attempt_at = now() where idempotency_key = '1'")
    again = await claim(database)
    assert set(again) == {"1"}
    async with database.connection() as conn:
        await outbox.complete(conn, again["1"])
    assert set(await claim(database)) == {"2"}


async def test_a_dead_command_blocks_nobody(database: Database) -> None:
    session = new_id()
    await put(database, "1", ordering_key=session)
    await put(database, "2", ordering_key=session)
    async with database.connection() as conn:
        assert await outbox.dead(conn, (await claim(database))["1"], error="poison" * 1000)
    assert set(await claim(database)) == {"2"}
    assert len(await database.fetchval("select last_error from messaging.outbox where status = 'dead'")) == 1000


async def test_a_lost_lease_changes_nothing(database: Database) -> None:
    await put(database, "k")
    stale = (await claim(database))["k"]
    await database.execute("update messaging.outbox set lease_expires_at = now() - interval '1 second'")
    current = (await claim(database))["k"]
    async with database.connection() as conn:
        assert not await outbox.complete(conn, stale)
        assert not await outbox.retry(conn, stale, error="x", after_s=0)
        assert not await outbox.dead(conn, stale, error="x")
        assert await outbox.extend(conn, [stale, current], lease_s=60) == {current.outbox_id}
        assert await outbox.complete(conn, current)
        assert not await outbox.complete(conn, current)


async def test_an_effect_that_commits_elsewhere_completes_by_key(database: Database) -> None:
    await put(database, "k1")
    await put(database, "k2")
    held = (await claim(database, 1))["k1"]
    async with database.connection() as conn:
        assert await outbox.complete_keys(conn, ["k1", "k2", "unknown"]) == 2
        assert not await outbox.complete(conn, held)
    assert await claim(database) == {}


async def test_depth_and_oldest_age(database: Database) -> None:
    await put(database, "k1")
    await put(database, "k2", delay_s=3600)
    await put(database, "dead", type="b")
    async with database.connection() as conn:
        await outbox.dead(conn, (await claim(database, type="b"))["dead"], error="x")
        await conn.execute("update messaging.outbox set created_at = now() - interval '90 seconds'")
        found = {each.type: each for each in await rows.depths(conn)}
    assert (found["a"].pending, found["a"].dead) == (2, 0)
    assert 90 <= found["a"].oldest_age_s < 100
    assert (found["b"].pending, found["b"].dead, found["b"].oldest_age_s) == (0, 1, 0)


async def test_the_inbox_knows_a_delivery_once_it_has_committed(database: Database) -> None:
    async with database.transaction() as conn:
        assert await inbox.first_time(conn, "mirror", "k")
    async with database.transaction() as conn:
        assert not await inbox.first_time(conn, "mirror", "k")
        assert await inbox.first_time(conn, "other", "k")
    with pytest.raises(RuntimeError):
        async with database.transaction() as conn:
            assert await inbox.first_time(conn, "mirror", "rolled back")
            raise RuntimeError
    async with database.transaction() as conn:
        assert await inbox.first_time(conn, "mirror", "rolled back")


@pytest.mark.parametrize("role", ["gateway", "retrieval", "ticketing", "orchestrator"])
async def test_a_service_with_the_least_grants_can_put(database: Database, role: str) -> None:
    for expected in (True, False):
        async with database.transaction() as conn:
            await conn.execute(f"set local role groundline_{role}")
            assert await outbox.put(conn, Struct(), type="a", key="k") is expected


async def plan(database: Database) -> str:
    """How the claim finds its rows, with what it touched."""
    async with database.connection() as conn, conn.transaction():
        query = "explain (analyze, buffers, format text, timing off) " + rows._queries.claim_outbox
        found = "\n".join(row[0] for row in await conn.fetch(query, ["a"], [10], LEASE_S, 1))
        # The claim itself is not meant.
        await conn.execute("update messaging.outbox set lease_token = null, lease_expires_at = null")
        return found


def rows_read(plan: str) -> int:
    """Rows that scans of the outbox brought, those that a filter or a join threw away included."""
    read = sum(int(float(n) * int(loops)) for n, loops in re.findall(r"Scan.*rows=([\d.]+) loops=(\d+)", plan))
    return read + sum(map(int, re.findall(r"Rows Removed by \w+ ?\w*: (\d+)", plan)))


async def test_a_claim_does_not_look_at_what_waits_behind_a_backoff(database: Database) -> None:
    keys = [new_id() for _ in range(20)]
    heads = [new_id() for _ in keys]
    insert = (
        "insert into messaging.outbox (outbox_id, type, payload_json, idempotency_key, ordering_key, next_attempt_at) "
        "select id, 'a', '{}', id::text, key, now() + delay from unnest($1::uuid[], $2::uuid[]) as t (id, key), "
        "(select make_interval(secs => $3::float8) as delay) d"
    )
    await database.execute(insert, heads, keys, 600.0)
    followers = [(new_id(), key) for key in keys for _ in range(100)]
    await database.execute(insert, [id for id, _ in followers], [key for _, key in followers], -1.0)
    await database.execute(insert, [new_id() for _ in range(5)], [None] * 5, 0.0)
    await database.execute("analyze messaging.outbox")
    assert rows_read(await plan(database)) >= 2000, "without the guard it looks at all of them"
    await Tidying(database, retention_s=1e6).park()
    await database.execute("vacuum analyze messaging.outbox")
    assert rows_read(await plan(database)) < 100
    assert len(await claim(database)) == 5

    # The head ends: the next of its key comes at once, and one at a time.
    await database.execute("update messaging.outbox set next_attempt_at = now() where outbox_id = $1", heads[0])
    for expected in (heads[0], *[id for id, key in followers if key == keys[0]][:3]):
        (claimed,) = (await claim(database)).values()
        assert claimed.outbox_id == expected
        async with database.connection() as conn:
            assert await rows.complete_many(conn, [claimed]) == {expected}
    # Or it ends in another way: within a second.
    await database.execute("update messaging.outbox set status = 'dead' where outbox_id = $1", heads[1])
    assert len(await claim(database)) == 1, "of the first key, still"
    await Tidying(database, retention_s=1e6).park()
    assert len(await claim(database)) == 1, "and now of the second"


async def test_a_claim_reads_no_more_of_a_long_backlog_than_it_takes(database: Database) -> None:
    await database.execute(
        "insert into messaging.outbox (outbox_id, type, payload_json, idempotency_key) "
        "select id, 'a', '{}', id::text from (select uuidv7() as id from generate_series(1, 5000)) made"
    )
    await database.execute("vacuum analyze messaging.outbox")
    found = await plan(database)
    assert rows_read(found) < 50, found


async def test_only_what_is_old_and_done_is_purged(database: Database) -> None:
    for key in ("old", "new", "pending", "dead"):
        await put(database, key)
    old = "now() - interval '8 days'"
    await database.execute(
        f"update messaging.outbox set created_at = {old}, "
        "status = case idempotency_key when 'pending' then 'pending' when 'dead' then 'dead' else 'done' end, "
        f"done_at = case idempotency_key when 'old' then {old} when 'new' then now() end"
    )
    await database.execute(f"insert into messaging.inbox values ('t', 'old', {old}), ('t', 'new', now())")
    await Tidying(database, retention_s=7 * 86_400).purge()
    left = await database.fetch(
        "select idempotency_key as key from messaging.outbox union select key from messaging.inbox"
    )
    assert {row["key"] for row in left} == {"new", "pending", "dead"}


async def test_more_than_a_batch_is_purged_in_batches(database: Database) -> None:
    await database.execute(
        "insert into messaging.inbox select 't', n::text, now() - interval '9 days' from generate_series(1, 2500) n"
    )
    await Tidying(database, retention_s=7 * 86_400).purge()
    assert await database.fetchval("select count(*) from messaging.inbox") == 0


async def test_commands_that_end_together_are_marked_by_one_statement(database: Database) -> None:
    for number in range(50):
        await put(database, f"k{number:02}")
    claimed = list((await claim(database, 50)).values())
    lost = claimed.pop()
    await database.execute(
        "update messaging.outbox set lease_token = gen_random_uuid() where outbox_id = $1", lost.outbox_id
    )
    completing = Completing(database)
    before = await database.fetchval("select count(*) from messaging.outbox where status = 'done'")
    held = await asyncio.gather(*(completing.complete(each) for each in [*claimed, lost]))
    assert held == [True] * 49 + [False], "who lost its lease is told so, and nobody else suffers"
    commits = await database.fetchval("select count(distinct xmin::text) from messaging.outbox where status = 'done'")
    assert (before, commits) == (0, 1)
