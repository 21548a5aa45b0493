"""The command line's outline: one typer application, to which each module of `cli.commands` adds its own."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import typer
from typer.models import CommandInfo, TyperInfo

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
    _unwrap_helps(app)
    return app


def unwrapped(text: str) -> str:
    """Paragraphs without the line breaks of the source, so that they fill a terminal of any width; lines that are
    indented, as examples are, stay as they stand."""
    return re.sub(r"(?<=\S)\n(?=\S)", " ", text)


def _unwrap_helps(app: typer.Typer) -> None:
    # A group that does something by itself (`groundline eval`) says what in its callback.
    described: list[CommandInfo | TyperInfo] = [*app.registered_commands]
    if app.registered_callback is not None:
        described.append(app.registered_callback)
    for command in described:
        text = command.help or inspect.getdoc(command.callback)
        if text:
            command.help = unwrapped(text)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _unwrap_helps(group.typer_instance)
