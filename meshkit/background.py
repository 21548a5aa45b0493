"""Background loops of a process: kept alive through a passing failure, and never silently dead."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meshkit.telemetry import counter, get_logger

log = get_logger(__name__)

CRASHES = counter("groundline_background_crashes_total", "Crashes of background loops.", ["name"])


@dataclass(frozen=True, slots=True)
class Background:
    """A loop that runs beside the server from before it serves until after it has drained.

    If it crashes or returns, it is started again after a growing pause; after `max_crashes` in a row, none of which
    lasted `settled_s` seconds, the process drains and exits with a failure, for its supervisor to see.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    max_crashes: int = 8
    settled_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0


async def supervise(background: Background, gave_up: Callable[[str], None]) -> None:
    """Runs the loop until cancelled; calls `gave_up` with its name when it can't be kept alive."""
    crashes = 0
    while True:
        started = time.monotonic()
        try:
            await background.run()
            log.error("background_returned", name=background.name)
        except Exception as exc:
            log.error("background_crashed", name=background.name, error=type(exc).__name__, exc_info=exc)
        CRASHES.labels(background.name).inc()
        crashes = 1 if time.monotonic() - started >= background.settled_s else crashes + 1
        if crashes >= background.max_crashes:
            gave_up(background.name)
            return
        pause = min(background.longest_pause_s, background.first_pause_s * 2 ** (crashes - 1))
        await asyncio.sleep(random.uniform(pause / 2, pause))
