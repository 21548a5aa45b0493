"""Where log lines go: whole lines to one stream, many at a time."""

import asyncio
import atexit
import json
import threading
from collections.abc import Mapping
from typing import Any, TextIO

FLUSH_AFTER_S = 0.05
# Lines that wait; a burst beyond is written in between.
MAX_WAITING = 1000

# One encoder for all lines: `json.dumps` with options makes a new one each time.
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=repr).encode


def render(_: Any, __: str, event: Any) -> str:
    """The last processor: the event as one line of JSON."""
    return encode(event)


class LineLogger:
    """Writes warnings and worse at once, with all that came before them. Other lines wait up to `FLUSH_AFTER_S` seconds
    for company: a call must pay neither for a write to the kernel nor, in the midst of other work, for the encoding. A
    killed process loses those; one that ends doesn't."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting: list[str | Mapping[str, object]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that will flush; None if nothing waits for that."""
        atexit.register(self.flush)

    def __call__(self, *_: Any) -> "LineLogger":
        """The logger is its own factory: all loggers share the stream and the wait."""
        return self

    def info(self, line: str | Mapping[str, object]) -> None:
        """Writes soon: a line, or what is still to be made one."""
        self._waiting.append(line)
        if len(self._waiting) >= MAX_WAITING:
            self.flush()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        # Another loop than before: the earlier one may have ended before it flushed.
        if loop is not self._loop:
            self._loop = loop
            loop.call_later(FLUSH_AFTER_S, self.flush)

    def warning(self, line: str) -> None:
        """Writes now."""
        self._waiting.append(line)
        self.flush()

    debug = info
    error = critical = warning

    def flush(self) -> None:
        """Writes what waits, in order."""
        with self._lock:
            self._loop = None
            waiting, self._waiting = self._waiting, []
            if not waiting or self._stream.closed:
                return
            self._stream.write("".join(f"{line if isinstance(line, str) else encode(line)}\n" for line in waiting))
            self._stream.flush()
