"""The one way a command fails: a line for a person and an exit code for a script."""

from __future__ import annotations


class CommandError(Exception):
    """A foreseeable failure. `cli.__main__` prints the message to stderr, without a traceback, and exits.

    Exit codes: 1 it could not be done, 2 it was asked wrongly, 3 something is not healthy.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
