"""`groundline db`: the schema."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import CommandError
from cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    db = typer.Typer(no_args_is_help=True, help="The database's schema.")
    db.command()(migrate)
    # With one command alone typer would drop its name.
    db.callback()(lambda: None)
    app.add_typer(db, name="db")


def migrate(
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            envvar="GROUNDLINE_DATABASE_URL",
            help="The database, as its owner.",
            show_default="this home's own",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the database to the newest schema. Safe to run at any time, also by several at once.

    \b
    Examples:
      groundline db migrate
      groundline db migrate --database-url postgresql://groundline@db.internal/groundline
    """
    from cli.output import print_json, say
    from cli.stack.database import Database
    from cli.stack.layout import Home, home_from_environment

    home = Home(home_from_environment())
    if database_url is None and not home.path.is_dir():
        raise CommandError(f"there is no database in {home.path} yet: run `make up`, or give --database-url")
    applied = Database(home, database_url).migrate()
    if as_json:
        print_json({"applied": applied})
    elif applied:
        for name in applied:
            say(f"applied {name}")
    else:
        say("the schema is up to date")
