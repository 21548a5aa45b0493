"""What each experiment came to, kept as a file each, so that a report can be written from runs at several times."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .experiments import Result
from .places import places

# Strikes at places are called as the place is, and kill unless they say otherwise.
KILLED_AT = frozenset(places())
REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "build" / "faults"


@dataclass(frozen=True, slots=True)
class Record:
    """One experiment or control of one road. `finds` is what a control must find; "" for an experiment."""

    road: str
    number: str
    name: str
    finds: str
    seed: int
    rounds: int
    faults: int
    kills: int
    sessions: int
    operations: int
    retries: int
    lost: int
    duplicated: int
    unexplained: int
    back_median_s: float
    back_worst_s: float
    quiet_s: float | None
    longest_wait_s: float
    seconds: float
    measured: Mapping[str, str]
    words: str
    places: Mapping[str, int]
    """How often each place acted."""
    commit: str = ""
    """What it ran on, abbreviated; with a `+` if something was not committed."""
    broken: str = ""
    """Why it came to no end."""

    @property
    def holds(self) -> bool:
        """Whether all is as promised; for a control, whether that was noticed which was taken away."""
        if self.broken:
            return False
        if self.finds:
            return int(getattr(self, self.finds)) > 0
        return not (self.lost or self.duplicated or self.unexplained)


def record(result: Result, *, road: str, number: str = "", finds: str = "", places: Mapping[str, int]) -> Record:
    """A result as it is kept."""
    verdict = result.verdict
    return Record(
        road=road,
        number=number,
        name=result.name,
        finds=finds,
        seed=result.seed,
        rounds=result.rounds,
        faults=result.faults,
        kills=sum(count for name, count in result.fired.items() if is_kill(name)),
        sessions=result.sessions,
        operations=verdict.operations,
        retries=result.retries,
        lost=verdict.count("lost"),
        duplicated=verdict.count("duplicated"),
        unexplained=verdict.count("unexplained"),
        back_median_s=median(result.back_s) if result.back_s else 0.0,
        back_worst_s=max(result.back_s, default=0.0),
        quiet_s=result.quiet_s,
        longest_wait_s=verdict.longest_wait_s,
        seconds=result.seconds,
        measured=result.measured,
        words=verdict.words(),
        places=dict(places),
        commit=_commit(),
    )


def _commit() -> str:
    told = ("git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=+")
    done = subprocess.run(told, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def is_kill(strike: str) -> bool:
    """Whether it took a process: a place where one was killed, or a kill at any moment."""
    return strike.startswith("kill") or strike in KILLED_AT


def save(each: Record, folder: Path = FOLDER) -> None:
    """Takes the place of an earlier run's."""
    file = folder / each.road / f"{re.sub('[^a-z0-9]+', '-', each.name.lower())[:80]}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(each), indent=1, ensure_ascii=False))


def saved(folder: Path = FOLDER) -> Iterator[Record]:
    """What earlier runs came to."""
    for file in sorted(folder.glob("*/*.json")):
        found: dict[str, Any] = json.loads(file.read_text())
        yield Record(**found)
