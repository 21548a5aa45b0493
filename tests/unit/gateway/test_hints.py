import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from meshkit.ids import new_id
from meshkit.testing import eventually
from svc_gateway.hints import MAX_PER_CALL, PAUSE_S, Hints


class Orchestrator:
    """Remembers the calls; answers the next one when it is let."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def notify(self, session_ids: Sequence[str]) -> None:
        self.calls.append(list(session_ids))
        await self.may_answer.wait()


@asynccontextmanager
async def running(hints: Hints) -> AsyncIterator[None]:
    task = asyncio.create_task(hints.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_hint_that_comes_alone_goes_out_at_once() -> None:
    orchestrator, session = Orchestrator(), new_id()
    hints = Hints(orchestrator.notify)
    async with running(hints):
        await asyncio.sleep(0)
        hints.give(session)
        for _ in range(5):
            await asyncio.sleep(0)
        assert orchestrator.calls == [[str(session)]]


async def test_what_gathers_during_a_call_goes_out_in_one() -> None:
    orchestrator, first = Orchestrator(), new_id()
    orchestrator.may_answer.clear()
    hints = Hints(orchestrator.notify)
    async with running(hints):
        hints.give(first)

        async def called() -> bool:
            return len(orchestrator.calls) == 1

        await eventually(called)
        later = [new_id() for _ in range(20)]
        for each in [*later, *later]:
            hints.give(each)
        orchestrator.may_answer.set()

        async def called_again() -> bool:
            return len(orchestrator.calls) == 2

        await eventually(called_again)
        assert orchestrator.calls[1] == [str(each) for each in later]


async def test_under_load_the_calls_are_few() -> None:
    orchestrator = Orchestrator()
    hints = Hints(orchestrator.notify)
    async with running(hints):
        begin = asyncio.get_running_loop().time()
        for _ in range(300):
            hints.give(new_id())
            await asyncio.sleep(0)

        async def all_sent() -> bool:
            return sum(len(call) for call in orchestrator.calls) == 300

        await eventually(all_sent)
        took = asyncio.get_running_loop().time() - begin
    assert len(orchestrator.calls) <= took / PAUSE_S + 1


async def test_no_call_takes_more_than_the_contract_allows() -> None:
    orchestrator = Orchestrator()
    hints = Hints(orchestrator.notify)
    for _ in range(MAX_PER_CALL + 1):
        hints.give(new_id())
    async with running(hints):

        async def all_sent() -> bool:
            return [len(call) for call in orchestrator.calls] == [MAX_PER_CALL, 1]

        await eventually(all_sent)
