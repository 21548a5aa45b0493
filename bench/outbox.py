"""Commands a second through the relay, on both roads, beside PgQueuer; how late a command is; and a long backlog."""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bench.database import Ground
from bench.figures import Spread, quantile, ratios
from bench.load import LoadError
from bench.report import Table, spread_text
from bench.side_by_side import Plan, Say
from cli.stack.layout import REPOSITORY, choose_ports
from cli.stack.rabbitmq import NodePorts, RabbitServer, find_programs
from db.bootstrap import OWNER

NAME = "outbox"
# Enough for some seconds: in less, what is measured is how soon connections open and statements are planned.
COMMANDS, AMQP_COMMANDS, BACKLOG = 40_000, 8_000, (25_000, 100_000)
# How many may be under way, and the most that one claim takes: the same for all.
PLACES = 100
# Of the whole benchmark, however slow the machine; no round begins later than ROUNDS_END_S.
BUDGET_S, ROUNDS_END_S = 420.0, 240.0
_INSTALL_TIMEOUT_S = 300
_PEERS = REPOSITORY / "bench" / "peers"
_LATENCIES = (("idle, 20/s", 200, 20.0), ("under load, 500/s", 4_000, 500.0))
_BARE, _PGQUEUER, _EMBEDDED, _AMQP = "bare", "pgqueuer", "embedded", "amqp"
_LABELS = {
    _BARE: "claim and mark alone, one connection",
    _PGQUEUER: "PgQueuer 1.6",
    _EMBEDDED: "embedded road",
    _AMQP: "amqp road",
}

T = TypeVar("T")


@dataclass(frozen=True)
class Drained:
    """Commands a second; seconds of CPU a command, of the subject's process and of PostgreSQL."""

    rate: float
    own_cpu_s: float
    server_cpu_s: float


@dataclass
class _Found:
    """What was drained by subject, a round each; by length of the backlog; seconds from commit to handler."""

    rounds: list[dict[str, Drained]] = field(default_factory=list)
    backlog: dict[int, Drained] = field(default_factory=dict)
    late: dict[str, list[float]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


class _Pieces:
    """Runs one piece after the other while there is time. One that fails takes none of the others with it."""

    def __init__(self, found: _Found, say: Say) -> None:
        self._found, self._say = found, say
        self._started = time.monotonic()

    @property
    def left_s(self) -> float:
        return BUDGET_S - self.spent_s

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self._started

    def run(self, text: str, piece: Callable[[float], T]) -> T | None:
        """What `piece` finds within the seconds that are left; None, and a note of it, if it finds nothing."""
        self._say(f"{text} ({self.spent_s:.0f} s of at most {BUDGET_S:.0f})")
        try:
            if self.left_s < 1:
                raise LoadError("no time was left")
            return piece(self.left_s)
        except LoadError as error:
            self._found.missing.append(f"{text}: {error}")
            return None


def run(made: Ground, plan: Plan, say: Say) -> Table:
    """Alternates the subjects, at most `plan.rounds` rounds of COMMANDS commands each."""
    say("making the peers' environment")
    peers = _environment(REPOSITORY / "build" / "bench-peers")
    url, peer_url = made.url(OWNER), made.server.url(database="pgqueuer_bench")
    made.server.run("createdb", "-h", str(made.server.run_dir), "-U", "postgres", "pgqueuer_bench", timeout_s=30)
    server = made.server.pid
    found = _Found()
    pieces = _Pieces(found, say)

    def drain(kind: str, count: int, broker: str = "") -> Callable[[float], Drained]:
        return lambda limit_s: _drained(
            _ours(limit_s, kind, url, server, count, PLACES, *filter(None, [broker])), count
        )

    def late(count: int, rate: float, broker: str) -> Callable[[float], list[float]]:
        return lambda limit_s: _ours(limit_s, "latency", url, count, rate, broker)["seconds"]

    with _broker() as amqp_url:
        subjects: dict[str, Callable[[float], Drained]] = {
            _BARE: drain("bare", COMMANDS),
            _PGQUEUER: lambda limit_s: _drained(_peer(limit_s, peers, made, peer_url), COMMANDS),
            _EMBEDDED: drain("drain", COMMANDS),
        }
        if amqp_url:
            subjects[_AMQP] = drain("drain", AMQP_COMMANDS, amqp_url)
        for turn in range(plan.rounds):
            if pieces.spent_s > ROUNDS_END_S:
                found.missing.append(f"rounds after the first {turn}: they took {pieces.spent_s:.0f} s")
                break
            drained = {}
            for name in list(subjects) if turn % 2 == 0 else reversed(subjects):
                one = pieces.run(f"{_LABELS[name]}, round {turn + 1} of {plan.rounds}", subjects[name])
                if one is not None:
                    drained[name] = one
            found.rounds.append(drained)
        for label, count, rate in _LATENCIES:
            for road, broker in [(_EMBEDDED, ""), *([(_AMQP, amqp_url)] if amqp_url else [])]:
                text = f"{_LABELS[road]}, commit to handler, {label}"
                seconds = pieces.run(text, late(count, rate, broker))
                if seconds is not None:
                    found.late[text] = seconds
    for count in BACKLOG:
        one = pieces.run(f"a backlog of {count}", drain("drain", count))
        if one is not None:
            found.backlog[count] = one
    return _table(found)


def _table(found: _Found) -> Table:
    by_subject: defaultdict[str, list[Drained]] = defaultdict(list)
    for drained in found.rounds:
        for name, each in drained.items():
            by_subject[name].append(each)
    rows = []
    goals = []
    for name, label in _LABELS.items():
        if name not in by_subject:
            continue
        spread = Spread.of([each.rate for each in by_subject[name]])
        both = [each for each in found.rounds if name in each and _PGQUEUER in each]
        against = ratios([each[name].rate for each in both], [each[_PGQUEUER].rate for each in both]) if both else None
        shown = "1" if name == _PGQUEUER else spread_text(against) if against else ""
        rates = f"{spread.median:.0f} ({spread.min:.0f} – {spread.max:.0f})"
        rows.append([f"{label}, commands/s", rates, shown, _cpu_text(by_subject[name])])
        if name == _EMBEDDED and against:
            goals.append((f"at least as many commands a second as PgQueuer: {shown}", against.median >= 1.0))
    for count, one in found.backlog.items():
        text = f"{count / one.rate:.1f}, {one.rate:.0f}"
        rows.append([f"backlog of {count}: seconds, commands/s", text, "", _cpu_text([one])])
    for label, seconds in found.late.items():
        p50, p95 = (quantile(seconds, share) * 1e3 for share in (0.5, 0.95))
        rows.append([f"{label}: p50, p95 ms", f"{p50:.1f}, {p95:.1f}", "", ""])
    if len(found.backlog) == len(BACKLOG):
        small, large = (found.backlog[count].rate for count in BACKLOG)
        goal = f"a backlog of {BACKLOG[1]} drains linearly: {large / small:.2f} of the rate at {BACKLOG[0]}"
        goals.append((goal, large / small >= 0.8))
    return Table(
        NAME,
        f"Commands through the outbox, {PLACES} under way",
        ["figure", "found: median (min – max)", "ratio to PgQueuer", "µs of CPU a command: own, PostgreSQL's"],
        rows,
        notes=[
            "The handler does nothing. Every command is durably marked done: fsync on, logged tables, default commits.",
            "Each subject is one process on uvloop with the same PostgreSQL; the backlog is written before.",
            *([] if _AMQP in by_subject else ["The amqp road was not measured: RabbitMQ is not installed, or failed."]),
            *(f"Not measured: {each}" for each in found.missing),
        ],
        goals=goals,
        data={
            "rounds": [{name: asdict(each) for name, each in drained.items()} for drained in found.rounds],
            "backlog": {str(count): asdict(each) for count, each in found.backlog.items()},
            "latency_s": found.late,
        },
    )


def _cpu_text(drained: Sequence[Drained]) -> str:
    own, server = (Spread.of([getattr(each, name) for each in drained]) for name in ("own_cpu_s", "server_cpu_s"))
    return f"{own.median * 1e6:.0f}, {server.median * 1e6:.0f}"


def _ours(limit_s: float, *arguments: object) -> dict[str, Any]:
    return _run([sys.executable, "-m", "bench.outbox_worker", *map(str, arguments)], limit_s)


def _peer(limit_s: float, python: Path, made: Ground, url: str) -> dict[str, Any]:
    for command in ("dropdb", "createdb"):
        made.server.run(command, "-h", str(made.server.run_dir), "-U", "postgres", "pgqueuer_bench", timeout_s=30)
    return _run(
        [str(python), str(_PEERS / "pgqueuer_drain.py"), url, str(made.server.pid), str(COMMANDS), str(PLACES)], limit_s
    )


def _run(command: Sequence[str], limit_s: float) -> dict[str, Any]:
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise LoadError(f"it did not end within {limit_s:.0f} s") from None
    if done.returncode:
        raise LoadError(f"it failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise LoadError("its answer is cut off") from None
    return found


def _drained(found: dict[str, Any], count: int) -> Drained:
    if found["handled"] != count or found["left"]:
        raise LoadError(f"{found['handled']} of {count} commands were handled, {found['left']} are left")
    return Drained(count / found["seconds"], found["own_cpu_s"] / count, found["server_cpu_s"] / count)


def _environment(folder: Path) -> Path:
    """The Python of an environment with what peers/requirements.txt pins. Raises LoadError if it can't be made."""
    python, wanted = folder / "bin" / "python", _PEERS / "requirements.txt"
    mark = folder / ".complete"
    if mark.exists() and mark.read_text() == wanted.read_text():
        return python
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "-q", "-r", str(wanted)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
        if done.returncode:
            raise LoadError(f"the peers' environment can't be made: {(done.stderr.strip().splitlines() or [''])[-1]}")
    mark.write_text(wanted.read_text())
    return python


@contextmanager
def _broker() -> Iterator[str]:
    if find_programs() is None:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="groundline-bench-rabbit-", ignore_cleanup_errors=True) as folder:
        server = RabbitServer(Path(folder) / "node", NodePorts(*choose_ports(0, None).broker))
        server.start()
        try:
            yield server.url
        finally:
            server.destroy()
