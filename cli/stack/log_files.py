"""The files that the supervisor writes what processes say into."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

_LONGEST_WORDS = 300


def last_words(path: Path) -> str:
    """The last line of a log as one would tell it: of a JSON line, its error."""
    try:
        with path.open("rb") as file:
            lines = [line for line in deque(file, maxlen=20) if line.strip()]
    except OSError:
        lines = []
    if not lines:
        return "it said nothing"
    text = lines[-1].decode(errors="replace").strip()
    try:
        said = json.loads(text)
        text = ": ".join(str(said[key]) for key in ("event", "error") if said.get(key))
    except (ValueError, TypeError, AttributeError):
        pass
    return text[:_LONGEST_WORDS]


class LogFile:
    """One log file, read from where it was left, also over a rotation."""

    def __init__(self, path: Path, prefix: str) -> None:
        self._path = path
        self._prefix = prefix
        self._file: BinaryIO | None = None
        self._partial = b""

    def print_last(self, count: int) -> None:
        if self._open():
            assert self._file is not None
            self._print(deque(self._file, maxlen=count))

    def print_new(self) -> bool:
        """True if there was anything."""
        if self._file is None and not self._open():
            return False
        assert self._file is not None
        said = self._print(self._file)
        if not said and self._rotated():
            self._file.close()
            self._file = None
        return said

    def _open(self) -> bool:
        try:
            self._file = self._path.open("rb")
        except OSError:
            return False
        return True

    def _rotated(self) -> bool:
        assert self._file is not None
        ours = os.fstat(self._file.fileno())
        try:
            now = self._path.stat()
        except OSError:
            return False
        return now.st_ino != ours.st_ino or now.st_size < self._file.tell()

    def _print(self, lines: Iterable[bytes]) -> bool:
        said = False
        for line in lines:
            said = True
            self._partial += line
            if self._partial.endswith(b"\n"):
                print(self._prefix + self._partial.decode(errors="replace"), end="", flush=True)
                self._partial = b""
        return said
