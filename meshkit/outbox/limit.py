"""A time limit that many attempts share: one timer for all, where `asyncio.timeout` starts and stops one for each."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Expired(Exception):
    """The work took longer than its limit, and was cancelled."""


@dataclass(slots=True, eq=False)
class _Under:
    task: "asyncio.Task[object]"
    ends_at: float
    cancelling: int
    expired: bool = False


class TimeLimit:
    """The same `seconds` for everybody, so that who began first expires first."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._under: dict[_Under, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, work: Awaitable[T]) -> T:
        """Awaits `work`. Raises Expired if it is cut for its time; cancellation by others stays what it is."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task to cancel")
        mine = _Under(task, asyncio.get_running_loop().time() + self.seconds, task.cancelling())
        self._under[mine] = None
        if self._timer is None:
            self._watch(mine)
        cut = False
        try:
            return await work
        except asyncio.CancelledError:
            cut = True
            raise
        finally:
            del self._under[mine]
            if mine.expired and task.uncancel() <= mine.cancelling and cut:
                raise Expired

    def _watch(self, first: _Under) -> None:
        self._timer = asyncio.get_running_loop().call_at(first.ends_at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for each in self._under:
            if each.ends_at > now:
                self._watch(each)
                return
            # Who resists its cancellation is not cancelled again.
            if not each.expired:
                each.expired = True
                each.task.cancel()
