"""What commands print: tables for a person, plain columns for a pipe, one JSON document for a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.errors import CommandError

_KEPT_CONTROLS = frozenset("\n\t")


def to_json(message: Message) -> dict[str, Any]:
    """A message as REST shows it."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def say(text: str = "", style: str = "") -> None:
    """Text on standard output. Never read as markup, and without control characters: customers wrote some of it."""
    Console(soft_wrap=True).print(Text(clean(text), style=style))


def note(text: str) -> None:
    """What happens meanwhile, beside what was asked for."""
    print(clean(text), file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under headings; in a pipe, columns that are never cut. `empty` is said where there are none."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    if not cells:
        note(empty)
        return
    if sys.stdout.isatty():
        drawn = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            drawn.add_column(column, overflow="fold")
        for row in cells:
            drawn.add_row(*map(Text, row))
        Console().print(drawn)
        return
    widths = [max(len(line[index]) for line in [list(columns), *cells]) for index in range(len(columns))]
    for line in [list(columns), *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line; empty ones are left out."""
    shown = [(name, one_line(str(value))) for name, value in pairs if value not in ("", None)]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{name.ljust(width)}  {value}")


def labelled(label: str, text: str, *, width: int, style: str = "") -> None:
    """A line of a dialogue: who on the left, the words beside it, never below it."""
    if sys.stdout.isatty():
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=width - 1, no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text(clean(label), style=style or "bold"), Text(clean(text), style=style))
        Console().print(grid)
        return
    first, *others = clean(text).splitlines() or [""]
    print(f"{label:<{width}}{first}")
    for line in others:
        print(f"{'':<{width}}{line}")


def clean(text: str) -> str:
    """Without what could move the cursor, change colours or hide text in a terminal. White space of any other kind
    (a no-break space, a carriage return) becomes a blank, so that it still parts words."""
    shown = (" " if char.isspace() and char not in _KEPT_CONTROLS else char for char in text)
    return "".join(char for char in shown if char in _KEPT_CONTROLS or char.isprintable())


def one_line(text: str) -> str:
    """All white space as single blanks."""
    return " ".join(clean(text).split())


def shorten(text: str, width: int) -> str:
    """At most `width` characters of one line."""
    line = one_line(text)
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def moment(stamp: Timestamp) -> str:
    """A point in time, to the second, in UTC; "" if it is not set."""
    if not stamp.seconds:
        return ""
    return datetime.fromtimestamp(stamp.seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def word(enum: Any, value: int, prefix: str) -> str:
    """An enum's value as people write it: `TICKET_STATUS_OPEN` → `open`."""
    return str(enum.Name(value)).removeprefix(prefix).lower()


def value_of(enum: Any, text: str, prefix: str) -> int:
    """What a person's word means. Raises CommandError, naming the words there are."""
    known = {str(name).removeprefix(prefix).lower(): int(number) for name, number in enum.items() if number}
    wanted = text.strip().lower().replace("-", "_")
    if wanted not in known:
        raise CommandError(f"{text!r} is none of {', '.join(known)}", 2)
    return known[wanted]
