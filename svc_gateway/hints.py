"""The fast path: tells the orchestrator which sessions have something new, after the commit, many in one call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from meshkit.errors import RemoteError
from meshkit.telemetry import counter, get_logger

log = get_logger(__name__)

LOST = counter("groundline_gateway_hints_lost_total", "Hints that the relay has to make up for, by kind.", ["kind"])

MAX_WAITING = 10_000
MAX_PER_CALL = 500
# Between two calls: a hint that comes alone goes out at once, and under load one call takes many. Without it, hints
# cost the gateway a sixth of its time (docs/performance.md).
PAUSE_S = 0.005
PAUSE_AFTER_FAILURE_S = 1.0

# Raises RemoteError when the orchestrator refuses or is away.
Notify = Callable[[Sequence[str]], Awaitable[None]]


class Hints:
    """Sends at once when idle, and in batches under load: what has gathered during the last call and a short pause.

    A hint may be dropped at any time; the outbox command stands.
    """

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._waiting: dict[UUID, None] = {}
        self._something = asyncio.Event()

    def give(self, session_id: UUID) -> None:
        """Notes that a session has something new."""
        if len(self._waiting) >= MAX_WAITING:
            LOST.labels("full").inc()
            return
        self._waiting[session_id] = None
        self._something.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            await self._something.wait()
            batch = list(self._waiting)[:MAX_PER_CALL]
            for session_id in batch:
                del self._waiting[session_id]
            if not self._waiting:
                self._something.clear()
            try:
                await self._notify([str(each) for each in batch])
                await asyncio.sleep(PAUSE_S)
            except (RemoteError, TimeoutError, OSError) as exc:
                LOST.labels("failed").inc(len(batch))
                log.warning("hints_failed", count=len(batch), error=type(exc).__name__)
                await asyncio.sleep(PAUSE_AFTER_FAILURE_S)
