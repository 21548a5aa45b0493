"""What can go wrong with the stack in a foreseeable way."""

from __future__ import annotations

from cli.errors import CommandError


class StackError(CommandError):
    """The stack can't do what was asked. The message is one line for a person and says what to do about it."""
