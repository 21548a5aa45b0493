"""`groundline backup|backups|restore`: the one-machine stack's data, kept and brought back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="GROUNDLINE_HOME", help="Folder of all state.", show_default="./.groundline"),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (backup, backups, restore):
        app.command()(command)


def backup(
    home: HomeOption = None,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many to keep; older ones and their WAL go.")] = 7,
    no_rehearse: Annotated[bool, typer.Option("--no-rehearse", help="Do not start a server from it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Back up the running stack: database, objects, keys, policies.

    Every byte is verified and a server is started from the copy, which must answer. From the first backup on all
    changes are archived, so that any later moment can be restored. Where: GROUNDLINE_BACKUPS, best on another disk.

    \b
    Examples:
      groundline backup
      GROUNDLINE_BACKUPS=/mnt/backups groundline backup --keep 14
    """
    from cli.backups import take_backup
    from cli.output import facts, note, print_json
    from cli.stack import Stack

    taken = take_backup(Stack(home), keep=keep, rehearse=not no_rehearse, say=lambda line: note(f"· {line}"))
    if as_json:
        print_json({"backup": taken.backup.as_json(), "deleted": taken.deleted})
        return
    made = taken.backup
    facts(
        (
            ("backup", made.id),
            ("folder", made.folder),
            ("restores", f"any moment from {_shown(made.ended_at)} on"),
            ("size", f"{made.bytes / 2**20:.1f} MB"),
            ("objects", made.objects),
            ("rehearsed", f"{made.rows} rows read" if made.rehearsed else "no"),
            ("deleted", ", ".join(taken.deleted)),
        )
    )


def backups(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List what can be restored.

    \b
    Examples:
      groundline backups
      groundline backups --json
    """
    from cli.output import note, print_json, table
    from cli.stack import Stack

    shelf = Stack(home).database.shelf
    found = shelf.backups()
    if as_json:
        print_json({"backups": [each.as_json() for each in found], "wal_bytes": shelf.archive.size_bytes()})
        return
    table(
        ("backup", "restores from", "size", "objects", "rehearsed"),
        (
            (
                each.id,
                _shown(each.ended_at),
                f"{each.bytes / 2**20:.1f} MB",
                each.objects,
                "yes" if each.rehearsed else "no",
            )
            for each in found
        ),
        empty="there is no backup: `groundline backup`",
    )
    if found:
        note(f"archived changes: {shelf.archive.size_bytes() / 2**20:.1f} MB in {shelf.archive.folder}")


def restore(
    to: Annotated[
        str, typer.Option("--to", metavar="TIME|latest", help="The moment, ISO 8601; UTC if it has no zone.")
    ],
    into: Annotated[
        Path | None, typer.Option("--into", help="Make a home of its own there instead; nothing else is touched.")
    ] = None,
    home: HomeOption = None,
    system: Annotated[
        int | None, typer.Option("--system", help="Of which database, by number, if the backups are of several.")
    ] = None,
    timeline: Annotated[
        str, typer.Option("--timeline", help="The history to follow, for a moment that an earlier restore cut off.")
    ] = "latest",
    as_json: JsonOption = False,
) -> None:
    """Bring everything back to what it was at a moment: all that was acknowledged until then, nothing later.

    The restored database is checked before anything is stopped or moved, and the present one is kept aside. A stack
    that runs is started again with it.

    \b
    Examples:
      groundline restore --to "2026-11-25 12:00:00Z"
      groundline restore --to latest                              # after the loss of the database's folder
      groundline restore --to 2026-11-25T12:00:00Z --into /tmp/noon
      GROUNDLINE_HOME=/tmp/noon groundline up --edge-port 0       # and look at it
    """
    from cli.backups import restore as bring_back
    from cli.output import facts, note, print_json
    from cli.stack import Stack

    moment = _moment(to)
    restored = bring_back(
        Stack(home), moment, into=into, system=system, timeline=timeline, say=lambda line: note(f"· {line}")
    )
    found = restored.findings
    if as_json:
        print_json(
            {
                "home": str(restored.home),
                "backup": restored.backup.id,
                "last_commit_at": found.last_commit_at.isoformat() if found.last_commit_at else None,
                "migrations": found.migrations,
                "rows": found.rows,
                "kept": str(restored.kept) if restored.kept else None,
                "lost_objects": restored.lost_objects,
            }
        )
    else:
        facts(
            (
                ("home", restored.home),
                ("from backup", restored.backup.id),
                ("last commit", _shown(found.last_commit_at) if found.last_commit_at else "that of the backup"),
                ("rows", sum(found.rows.values())),
                ("kept aside", restored.kept),
            )
        )
    if restored.lost_objects:
        note(f"{len(restored.lost_objects)} objects are in no backup, as {restored.lost_objects[0]}")
        raise typer.Exit(3)


def _moment(text: str) -> datetime | None:
    from cli.errors import CommandError

    if text.strip().lower() == "latest":
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CommandError(f"{text!r} is no time: 2026-11-25T12:00:00Z, or latest", 2) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%fZ")
