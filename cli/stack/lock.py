"""One command at a time changes what runs of a stack."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from cli.stack.errors import StackError
from cli.stack.layout import Home


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Makes the home's folder if there is none, and holds its lock. Raises StackError if somebody else does."""
    try:
        if not home.path.exists():
            home.path.mkdir(parents=True)
            # What is private in it is in private folders; PostgreSQL's account must get through.
            home.path.chmod(0o711)
        file = home.lock.open("w")
    except OSError as error:
        raise StackError(f"{home.path} can't be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError("another `groundline up` or `down` is at work on this stack") from None
        yield
