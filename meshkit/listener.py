"""One LISTEN connection per process. Notifications only wake; the rows are the truth, so a lost one costs latency."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import asyncpg

from meshkit.postgres import DATABASE_ERRORS
from meshkit.telemetry import get_logger

log = get_logger(__name__)

Wake = Callable[[str], None]


class Listener:
    """Wakes subscribers on NOTIFY, after every reconnection, and at least every `poll_interval_s` seconds.

    A callback receives the payload; "" means "something may have happened: look".
    """

    def __init__(self, url: str, *, poll_interval_s: float = 2.0, reconnect_s: float = 1.0) -> None:
        self._url = url
        self._poll_interval_s = poll_interval_s
        self._reconnect_s = reconnect_s
        self._callbacks: defaultdict[str, set[Wake]] = defaultdict(set)
        self._conn: Any = None
        self._lock = asyncio.Lock()

    async def subscribe(self, channel: str, wake: Wake) -> Callable[[], None]:
        """Calls `wake` for each notification on `channel`; the function returned ends that."""
        new = channel not in self._callbacks
        self._callbacks[channel].add(wake)
        if new and self._conn is not None:
            async with self._lock:
                await self._listen(channel)

        def unsubscribe() -> None:
            # The LISTEN itself stays: channels are few and fixed, subscribers (stream readers) come and go.
            self._callbacks[channel].discard(wake)

        return unsubscribe

    async def run(self) -> None:
        """Listens until cancelled. The database may be away: subscribers are then still woken by the clock."""
        try:
            while True:
                try:
                    await self._connect()
                    await self._watch()
                except DATABASE_ERRORS as exc:
                    log.warning("listen_connection_lost", error=type(exc).__name__)
                await self._disconnect()
                self._wake_all()
                await asyncio.sleep(self._reconnect_s)
        finally:
            await self._disconnect()

    async def _connect(self) -> None:
        self._conn = await asyncpg.connect(self._url, timeout=5.0, command_timeout=5.0)
        async with self._lock:
            for channel in list(self._callbacks):
                await self._listen(channel)
        # What was notified while nobody listened is found by looking once.
        self._wake_all()

    async def _watch(self) -> None:
        ended = asyncio.Event()
        self._conn.add_termination_listener(lambda _: ended.set())
        while not ended.is_set():
            try:
                async with asyncio.timeout(self._poll_interval_s):
                    await ended.wait()
            except TimeoutError:
                self._wake_all()
                # A peer that vanished without a reset is only noticed by asking it something.
                async with self._lock:
                    await self._conn.fetchval("select 1")

    async def _listen(self, channel: str) -> None:
        if self._conn is not None and not self._conn.is_closed():
            await self._conn.add_listener(channel, self._notified)

    async def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.terminate()

    def _notified(self, _conn: Any, _pid: int, channel: str, payload: object) -> None:
        for wake in tuple(self._callbacks.get(channel, ())):
            wake(str(payload))

    def _wake_all(self) -> None:
        for callbacks in tuple(self._callbacks.values()):
            for wake in tuple(callbacks):
                wake("")
