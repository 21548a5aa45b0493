"""`groundline token`: a credential for this machine's mesh."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.options import JsonOption, SubjectOption

ROLES = ("agent", "supervisor", "admin", "adapter", "service", "customer")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_TTL_S = 30 * 86400


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(token)


def token(
    role: Annotated[str, typer.Option("--role", help=", ".join(ROLES))],
    groups: Annotated[
        list[str] | None, typer.Option("--groups", help="Document groups, such as group:enterprise (repeatable).")
    ] = None,
    ttl: Annotated[str, typer.Option("--ttl", help="How long it is valid: 30m, 8h, 7d. At most 30d.")] = "8h",
    session: Annotated[
        str | None, typer.Option("--session", help="The conversation that a customer is tied to.")
    ] = None,
    subject: SubjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mint a token with this machine's signing key, and print it.

    \b
    Examples:
      curl -H "authorization: Bearer $(groundline token --role agent)" http://127.0.0.1:8080/v1/tickets
      groundline token --role adapter --subject email-adapter --ttl 7d
    """
    from cli.mesh import mint, person

    if role not in ROLES:
        raise CommandError(f"{role!r} is none of {', '.join(ROLES)}", 2)
    if (role == "customer") != (session is not None):
        raise CommandError("a customer's token is tied to a conversation: --role customer with --session ID", 2)
    seconds = parse_ttl(ttl)
    listed = [name.strip() for each in groups or [] for name in each.split(",") if name.strip()]
    named = subject or (f"session:{session}" if session else person())
    minted = mint(role, named, ttl_s=seconds, groups=listed, session_id=session)
    if as_json:
        from cli.output import print_json

        print_json({"token": minted, "role": role, "subject": named, "groups": listed, "ttl_s": seconds})
    else:
        print(minted)


def parse_ttl(text: str) -> int:
    """`90`, `90s`, `30m`, `8h` or `7d` in seconds. Raises CommandError."""
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text.strip())
    seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if not 1 <= seconds <= MAX_TTL_S:
        raise CommandError(f"--ttl {text!r} is not a time such as 30m, 8h or 7d, of at most 30d", 2)
    return seconds
