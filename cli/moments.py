"""Points in time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cli.errors import CommandError

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def moment(option: str, text: str) -> datetime | None:
    """`90m`, `24h`, `7d` ago, or an ISO time (UTC without a zone); None for "". Raises CommandError."""
    if not text:
        return None
    try:
        if text[-1] in _UNITS and text[:-1].isdigit():
            return datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CommandError(f"{option} is written as 90m, 24h, 7d or an ISO time, not {text!r}", 2) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
