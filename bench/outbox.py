"""Commands a second through the relay, on both roads, beside PgQueuer; how late a command is; and a long backlog."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.database import Ground
from bench.figures import Spread, quantile, ratios
from bench.load import LoadError
from bench.report import Table, spread_text
from bench.side_by_side import Plan, Say
from cli.stack.layout import REPOSITORY, choose_ports
from cli.stack.rabbitmq import NodePorts, RabbitServer, find_programs
from db.bootstrap import OWNER

NAME = "outbox"
COMMANDS, AMQP_COMMANDS, BACKLOG = 10_000, 4_000, (25_000, 100_000)
# How many may be under way, and the most that one claim takes: the same for both.
PLACES = 100
_TIMEOUT_S = 300
_PEERS = REPOSITORY / "bench" / "peers"
_LATENCIES = (("idle, 20/s", 200, 20.0), ("under load, 500/s", 4_000, 500.0))


def run(made: Ground, plan: Plan, say: Say) -> Table:
    """Alternates the subjects, `plan.rounds` rounds of COMMANDS commands each."""
    say("making the peers' environment")
    peers = _environment(REPOSITORY / "build" / "bench-peers")
    url, peer_url = made.url(OWNER), made.server.url(database="pgqueuer_bench")
    made.server.run("createdb", "-h", str(made.server.run_dir), "-U", "postgres", "pgqueuer_bench", timeout_s=30)
    rates: dict[str, list[float]] = {"pgqueuer": [], "embedded": [], "amqp": []}
    with _broker() as amqp_url:
        for turn in range(plan.rounds):
            for name in ("pgqueuer", "embedded") if turn % 2 == 0 else ("embedded", "pgqueuer"):
                say(f"{name}: {COMMANDS} commands, round {turn + 1} of {plan.rounds}")
                if name == "embedded":
                    rates[name].append(_drained(_ours("drain", url, COMMANDS, PLACES), COMMANDS))
                else:
                    rates[name].append(_drained(_peer(peers, made, peer_url), COMMANDS))
            if amqp_url:
                say(f"amqp: {AMQP_COMMANDS} commands, round {turn + 1} of {plan.rounds}")
                rates["amqp"].append(_drained(_ours("drain", url, AMQP_COMMANDS, PLACES, amqp_url), AMQP_COMMANDS))
    backlog = {}
    for count in BACKLOG:
        say(f"a backlog of {count}")
        backlog[count] = _drained(_ours("drain", url, count, PLACES), count)
    late = {}
    for label, count, rate in _LATENCIES:
        say(f"from commit to handler, {label}")
        late[label] = _ours("latency", url, count, rate)["seconds"]
    return _table(rates, backlog, late)


def _table(rates: dict[str, list[float]], backlog: dict[int, float], late: dict[str, list[float]]) -> Table:
    against = ratios(rates["embedded"], rates["pgqueuer"])
    rows = [["PgQueuer 1.6, commands/s", f"{Spread.of(rates['pgqueuer']).median:.0f}", "1"]]
    rows.append(["embedded road, commands/s", f"{Spread.of(rates['embedded']).median:.0f}", spread_text(against)])
    if rates["amqp"]:
        rows.append(["amqp road, commands/s", f"{Spread.of(rates['amqp']).median:.0f}", ""])
    rows += [[f"backlog of {count}, commands/s", f"{rate:.0f}", ""] for count, rate in backlog.items()]
    for label, seconds in late.items():
        p50, p95 = (quantile(seconds, share) * 1e3 for share in (0.5, 0.95))
        rows.append([f"commit to handler, {label}: p50, p95 ms", f"{p50:.1f}, {p95:.1f}", ""])
    small, large = (backlog[count] for count in BACKLOG)
    return Table(
        NAME,
        f"Commands through the outbox, {PLACES} under way",
        ["figure", "found", "ratio to PgQueuer: median (min – max)"],
        rows,
        notes=[
            "The handler does nothing. Every command is durably marked done: fsync on, logged tables, default commits.",
            "Each subject is one process on uvloop with the same PostgreSQL; the backlog is written before.",
            *([] if rates["amqp"] else ["The amqp road was not measured: RabbitMQ is not installed."]),
        ],
        goals=[
            (f"at least as many commands a second as PgQueuer: {spread_text(against)}", against.median >= 1.0),
            (
                f"a backlog of {BACKLOG[1]} drains linearly: {large / small:.2f} of the rate at {BACKLOG[0]}",
                large / small >= 0.8,
            ),
        ],
        data={"rates": rates, "backlog": {str(count): rate for count, rate in backlog.items()}, "latency_s": late},
    )


def _ours(*arguments: object) -> dict[str, Any]:
    return _run([sys.executable, "-m", "bench.outbox_worker", *map(str, arguments)])


def _peer(python: Path, made: Ground, url: str) -> dict[str, Any]:
    for command in ("dropdb", "createdb"):
        made.server.run(command, "-h", str(made.server.run_dir), "-U", "postgres", "pgqueuer_bench", timeout_s=30)
    return _run([str(python), str(_PEERS / "pgqueuer_drain.py"), url, str(COMMANDS), str(PLACES)])


def _run(command: Sequence[str]) -> dict[str, Any]:
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise LoadError(f"{' '.join(command[1:4])} did not end within {_TIMEOUT_S} s") from None
    if done.returncode:
        raise LoadError(f"{command[1]} failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _drained(found: dict[str, Any], count: int) -> float:
    if found["handled"] != count or found["left"]:
        raise LoadError(f"{found['handled']} of {count} commands were handled, {found['left']} are left")
    return count / float(found["seconds"])


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
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
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
