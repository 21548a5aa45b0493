"""`groundline run`: the stack for as long as this process lives, and a clean end at the first signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

from cli.stack.errors import StackError
from cli.stack.logs import show
from cli.stack.stack import Stack

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_EVERY_S = 2.0


class _Signalled(BaseException):
    """Ends whatever is going on, also the middle of a start."""


def until_signalled(stack: Stack, start: Callable[[], None]) -> None:
    """Calls `start`, prints the logs until SIGINT, SIGTERM or SIGHUP, and takes the stack down.

    Raises StackError if it can't be started (after taking down what was), or is stopped from elsewhere.
    """

    def at_signal(_number: int, _frame: FrameType | None) -> None:
        # Only the first: a second Ctrl-C must not cut the clean end short.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise _Signalled

    for each in _SIGNALS:
        signal.signal(each, at_signal)
    gone = _Gone(stack)
    try:
        start()
        show(stack, [], lines=0, follow=True, until=gone)
    except _Signalled:
        pass
    finally:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if not gone.seen:
            stack.down()
    if gone.seen:
        raise StackError("the stack was stopped from elsewhere")


class _Gone:
    """Whether the supervisor has vanished, looked at now and then."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._next_look = time.monotonic() + _LOOK_EVERY_S
        self.seen = False

    def __call__(self) -> bool:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_EVERY_S
            self.seen = not self._stack.is_running
        return self.seen
