"""What the system acknowledged, written down outside of it and synced before anything else happens."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation that was acknowledged. `kind` is post, reply or resolve; `ref` the id that the answer named."""

    kind: str
    session_id: str
    request_id: str
    ref: str
    content: str
    at: float
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that no fault explains."""

    kind: str
    session_id: str
    request_id: str
    status: str


@dataclass(slots=True)
class Ledger:
    """An append-only file of one experiment, one JSON object a line; each line is on the disk when `note` returns."""

    path: Path
    entries: list[Entry] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    given_up: int = 0
    retries: int = 0
    passing: Counter[str] = field(default_factory=Counter)
    """What those were told who had to call again, and how often."""

    def acknowledged(self, entry: Entry) -> None:
        """The system said that it has it."""
        self._write({"acknowledged": asdict(entry)})
        self.entries.append(entry)
        self.retries += entry.attempts - 1

    def refused(self, refusal: Refusal) -> None:
        """The system said no for no reason that we know of."""
        self._write({"refused": asdict(refusal)})
        self.refusals.append(refusal)

    def opened(self, session_id: str) -> None:
        """A conversation of this experiment."""
        self._write({"opened": session_id})
        self.sessions.append(session_id)

    def gave_up(self, kind: str, request_id: str) -> None:
        """No answer in time: it may or may not have happened."""
        self._write({"gave_up": {"kind": kind, "request_id": request_id}})
        self.given_up += 1

    def _write(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """A ledger as its file holds it, for a run that did not end."""
        ledger = cls(path)
        for line in _lines(path):
            if "acknowledged" in line:
                ledger.entries.append(Entry(**line["acknowledged"]))
            elif "refused" in line:
                ledger.refusals.append(Refusal(**line["refused"]))
            elif "opened" in line:
                ledger.sessions.append(line["opened"])
            else:
                ledger.given_up += 1
        ledger.retries = sum(each.attempts - 1 for each in ledger.entries)
        return ledger


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)
