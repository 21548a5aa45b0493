"""`groundline`: runs the command and turns a foreseeable failure into one line and an exit code."""

from __future__ import annotations

import sys

from cli.app import build
from cli.errors import CommandError


def main() -> None:
    """Entry point of the `groundline` script."""
    try:
        build()()
    except CommandError as error:
        print(f"groundline: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`head`, `less`) left; nothing more can be said to it.
        sys.stdout = None
        sys.exit(141)


if __name__ == "__main__":
    main()
