"""`groundline up|run|down|status|logs`: the one-machine stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.stack import ProcessStatus, Stack

NOT_HEALTHY = 3
_SAMPLES = Path("samples") / "knowledge"
_INGEST_TIMEOUT_S = 170

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="GROUNDLINE_HOME", help="Folder of all state.", show_default="./.groundline"),
]
EdgePortOption = Annotated[
    int | None,
    typer.Option(
        "--edge-port",
        envvar="GROUNDLINE_EDGE_PORT",
        min=0,
        max=65535,
        help="Port of REST and gRPC (8080). Another than 8080 moves the rest to free ports; 0 is any free one.",
    ),
]
PortBaseOption = Annotated[
    int | None,
    typer.Option(
        "--port-base",
        envvar="GROUNDLINE_PORT_BASE",
        help="Services answer at this port + 1 to + 7 (50050), their metrics 1000 above.",
    ),
]
NoSamplesOption = Annotated[bool, typer.Option("--no-samples", help="Do not ingest samples/knowledge at first start.")]
RoadOption = Annotated[
    str | None,
    typer.Option(
        "--road",
        envvar="GROUNDLINE_ROAD",
        metavar="[embedded|amqp]",
        help="How commands travel. amqp starts RabbitMQ, or uses GROUNDLINE_AMQP_URL. Default: as last time.",
    ),
]
ReplicasOption = Annotated[
    int | None,
    typer.Option(
        "--replicas",
        envvar="GROUNDLINE_REPLICAS",
        min=1,
        help="Processes of each service (1); with 2, a rolling restart fails no call. Default: as last time.",
    ),
]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=1, help="Seconds until all must be healthy.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (up, run, down, restart, status, logs):
        app.command()(command)


def up(
    home: HomeOption = None,
    edge_port: EdgePortOption = None,
    port_base: PortBaseOption = None,
    no_samples: NoSamplesOption = False,
    road: RoadOption = None,
    replicas: ReplicasOption = None,
    timeout: TimeoutOption = 120,
) -> None:
    """Start everything that isn't running, and return when all is healthy."""
    stack = _stack(home, edge_port, port_base, road, replicas)
    _up(stack, samples=not no_samples, timeout_s=timeout)
    _greet(stack)


def run(
    home: HomeOption = None,
    edge_port: EdgePortOption = None,
    port_base: PortBaseOption = None,
    no_samples: NoSamplesOption = False,
    road: RoadOption = None,
    replicas: ReplicasOption = None,
    timeout: TimeoutOption = 120,
) -> None:
    """Start everything and stay in the foreground; Ctrl-C or SIGTERM stops it all cleanly."""
    from cli.stack.foreground import until_signalled

    stack = _stack(home, edge_port, port_base, road, replicas)

    def start() -> None:
        _up(stack, samples=not no_samples, timeout_s=timeout)
        _greet(stack)
        _say("Ctrl-C stops everything")

    until_signalled(stack, start)


def down(home: HomeOption = None) -> None:
    """Stop everything; data is kept."""
    _say("stopped" if _stack(home).down() else "it was not running")


def restart(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Services, such as gateway; all if none.")
    ] = None,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="One replica after the other, each drained: no call fails.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Restart services with the code and configuration that stand now.

    \b
    Examples:
      groundline restart worker-delivery
      groundline restart --rolling               # needs `groundline up --replicas 2`
    """
    from cli.stack import rolling as rolling_restart

    rolling_restart.restart(_stack(home), names or [], rolling=rolling, say=_say)


def status(home: HomeOption = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show every process, its health and its ports. Exit code 3 if one is not healthy."""
    stack = _stack(home)
    lines = stack.status()
    healthy = all(line.is_healthy for line in lines)
    if as_json:
        processes = [line.as_json() for line in lines]
        print(json.dumps({"healthy": healthy, "edge_url": stack.edge_url, "processes": processes}))
    else:
        _print_table(lines)
    if not healthy:
        raise typer.Exit(NOT_HEALTHY)


def logs(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Processes; all if none.")] = None,
    home: HomeOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each.")] = 20,
) -> None:
    """Show what processes said."""
    from cli.stack.logs import show

    show(_stack(home), names or [], lines=lines, follow=follow)


def _stack(
    home: Path | None,
    edge_port: int | None = None,
    port_base: int | None = None,
    road: str | None = None,
    replicas: int | None = None,
) -> Stack:
    from cli.stack import Stack

    return Stack(home, edge_port=edge_port, port_base=port_base, road=road, replicas=replicas, say=_say)


def _say(line: str) -> None:
    # stdout is for what was asked for; what happens meanwhile goes beside it.
    print(f"· {line}", file=sys.stderr, flush=True)


def _up(stack: Stack, *, samples: bool, timeout_s: float) -> None:
    if not stack.up(timeout_s):
        _say("it is already running")
    if samples:
        ingest_samples(stack)


def ingest_samples(stack: Stack) -> None:
    """Ingests the knowledge that ships with the repository, unless there is knowledge already. Raises StackError."""
    from cli.stack import StackError
    from cli.stack.layout import REPOSITORY

    folder = REPOSITORY / _SAMPLES
    command_is_there = (REPOSITORY / "cli" / "commands" / "ingest.py").exists()
    if not folder.is_dir() or not command_is_there or not stack.database.is_empty():
        return
    _say(f"ingesting {_SAMPLES}")
    # A command of its own: what the user would type, with its progress bar.
    command = [sys.executable, "-m", "cli", "ingest", str(folder)]
    try:
        done = subprocess.run(
            command, env=stack.client_environment(), cwd=REPOSITORY, timeout=_INGEST_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"{_SAMPLES} took longer than {_INGEST_TIMEOUT_S} s to ingest") from None
    if done.returncode:
        raise StackError(f"all is running, but {_SAMPLES} could not be ingested: `groundline ingest {_SAMPLES}`")


def _greet(stack: Stack) -> None:
    url = stack.edge_url
    print(f"REST and gRPC   {url}")
    print(f"Envoy's admin   http://127.0.0.1:{stack.ports.admin}")
    print(f"Metrics         http://127.0.0.1:{stack.ports.metrics('gateway')}/metrics (the gateway's)")
    print(f"State           {_shown(stack.home.path)}")
    print("Try it:")
    print(f"""  curl -s {url}/v1/sessions -H 'content-type: application/json' -d '{{"channel": "web"}}'""")


def _print_table(lines: list[ProcessStatus]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("process", "health", "state", "pid", "uptime", "ports"):
        table.add_column(column, justify="right" if column in ("pid", "uptime") else "left")
    for line in lines:
        colour = "green" if line.is_healthy else "red"
        table.add_row(
            line.name,
            f"[{colour}]{line.health}[/{colour}]",
            line.state,
            str(line.pid or ""),
            _duration(line.uptime_s) if line.pid else "",
            " ".join(map(str, line.ports)),
        )
    Console().print(table)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _shown(path: Path) -> str:
    """Relative only where that is no detour."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
