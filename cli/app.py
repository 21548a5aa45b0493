"""The command line's outline: one typer application, to which each module of `cli.commands` adds its own."""

from __future__ import annotations

import importlib
import pkgutil

import typer

import cli.commands


def build() -> typer.Typer:
    """The application with every command.

    A module in `cli.commands` needs a function `register(app: typer.Typer)`. It imports what is heavy (gRPC, asyncpg,
    models) inside its commands, so that `groundline --help` stays quick.
    """
    app = typer.Typer(
        name="groundline",
        help="A customer-support desk that never guesses.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for module in sorted(pkgutil.iter_modules(cli.commands.__path__), key=lambda found: found.name):
        importlib.import_module(f"cli.commands.{module.name}").register(app)
    return app
