"""Sessions that were hinted at: worked on soon, a bounded number at once, each by one task."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from meshkit import call as calls
from meshkit.telemetry import gauge, get_logger

log = get_logger(__name__)

RUNNING = gauge("groundline_turns_running", "Hinted sessions that are worked on or wait for a place.")

AGAIN = True


class HintedSessions:
    """Runs `advance` for hinted sessions. Losing one is allowed: the outbox command stands."""

    def __init__(
        self, advance: Callable[[UUID], Awaitable[object]], *, at_once: int, max_waiting: int, deadline_s: float | None
    ) -> None:
        """`deadline_s` is how long each may be worked on, from when its place is free; None: unbounded."""
        self._advance = advance
        self._deadline_s = deadline_s
        self._places = asyncio.Semaphore(at_once)
        self._max = at_once + max_waiting
        # The value says whether a hint came while the session was being worked on.
        self._known: dict[UUID, bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, session_id: UUID) -> bool:
        """Accepts a hint; False when too much is under way."""
        if session_id in self._known:
            self._known[session_id] = AGAIN
            return True
        if len(self._known) >= self._max:
            return False
        self._known[session_id] = not AGAIN
        task = asyncio.create_task(self._work(session_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        RUNNING.set(len(self._known))
        return True

    async def drain(self) -> None:
        """Cancels what is under way; each gives its session back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self) -> None:
        """The task was made in the hint's call, whose deadline is the hint's: it had passed before a long turn, or one
        that waited for its place, could ask its peers. Trace and request id stay."""
        hint = calls.current_activity() or calls.Activity()
        deadline = None if self._deadline_s is None else time.monotonic() + self._deadline_s
        calls.enter(calls.Activity(hint.request_id, hint.traceparent, deadline, hint.principal))

    async def _work(self, session_id: UUID) -> None:
        try:
            async with self._places:
                while True:
                    self._known[session_id] = not AGAIN
                    self._begin()
                    async with asyncio.timeout(self._deadline_s):
                        await self._advance(session_id)
                    if not self._known[session_id]:
                        return
        except Exception as exc:
            # The relay tries again, and counts; here it is only written down.
            log.warning("hinted_turn_failed", session_id=str(session_id), error=type(exc).__name__, exc_info=exc)
        finally:
            del self._known[session_id]
            RUNNING.set(len(self._known))
