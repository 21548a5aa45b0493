import asyncio

from meshkit.background import Background, supervise


async def test_a_loop_that_crashes_is_started_again() -> None:
    runs, settled = 0, asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError
        settled.set()
        await asyncio.Event().wait()

    lost: list[str] = []
    task = asyncio.create_task(supervise(Background("loop", run, first_pause_s=0.001), lost.append))
    async with asyncio.timeout(5):
        await settled.wait()
    assert lost == []
    task.cancel()


async def test_a_loop_that_can_not_be_kept_alive_is_reported_once() -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    lost: list[str] = []
    async with asyncio.timeout(5):
        await supervise(Background("loop", run, max_crashes=3, first_pause_s=0.001), lost.append)
    assert (lost, runs) == (["loop"], 3)


async def test_a_loop_that_ran_well_for_a_while_starts_anew() -> None:
    runs, tenth = 0, asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 10:
            tenth.set()
            await asyncio.Event().wait()
        raise RuntimeError

    lost: list[str] = []
    settled = Background("loop", run, max_crashes=2, settled_s=0, first_pause_s=0.001)
    task = asyncio.create_task(supervise(settled, lost.append))
    async with asyncio.timeout(5):
        await tenth.wait()
    assert lost == []
    task.cancel()
