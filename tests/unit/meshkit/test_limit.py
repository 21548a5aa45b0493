import asyncio
from contextlib import suppress

import pytest

from meshkit.outbox.limit import Expired, TimeLimit


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_each_expires_after_its_own_time_and_who_is_in_time_does_not() -> None:
    limit, loop = TimeLimit(0.2), asyncio.get_running_loop()
    took: list[float] = []

    async def late() -> None:
        started = loop.time()
        with pytest.raises(Expired):
            await limit.run(for_ever())
        took.append(loop.time() - started)

    first = asyncio.create_task(late())
    await asyncio.sleep(0.1)
    second = asyncio.create_task(late())
    assert await limit.run(asyncio.sleep(0, "in time")) == "in time"
    await asyncio.gather(first, second)
    assert len(took) == 2
    assert min(took) >= 0.2
    assert max(took) < 0.3, "the second one's time began with the second"
    # And once more, after nobody was under it.
    await late()


async def test_a_cancellation_by_others_stays_one() -> None:
    limit = TimeLimit(60.0)
    task = asyncio.create_task(limit.run(for_ever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not task.cancelling() - 1, "and is not taken back"


async def test_what_is_cancelled_by_both_is_cancelled() -> None:
    limit = TimeLimit(0.01)

    async def cancelled_while_it_ends() -> None:
        with suppress(asyncio.CancelledError):
            await for_ever()
        task.cancel()
        await for_ever()

    task = asyncio.create_task(limit.run(cancelled_while_it_ends()))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_ends_well_although_its_time_is_up_has_ended_well() -> None:
    limit = TimeLimit(0.01)

    async def finishes() -> str:
        with suppress(asyncio.CancelledError):
            await for_ever()
        return "done"

    async def outer() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        return await limit.run(finishes()), task.cancelling()

    assert await asyncio.create_task(outer()) == ("done", 0)


async def test_what_the_work_raises_is_raised() -> None:
    async def fails() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await TimeLimit(60.0).run(fails())
