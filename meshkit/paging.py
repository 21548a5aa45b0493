"""Page tokens: where a list continues, bound to the list and its filters. Opaque to clients, but not secret."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from meshkit.errors import PageTokenInvalid

MAX_TOKEN_CHARS = 1024
_FINGERPRINT_CHARS = 16


def page_size(requested: int, *, default: int = 50, maximum: int = 200) -> int:
    """The rows of a page: `default` for 0 (not given), never more than `maximum`."""
    return min(requested, maximum) if requested > 0 else default


def encode_token(cursor: Sequence[str | int | UUID | datetime], *, filters: Sequence[object]) -> str:
    """The token for the page after `cursor`, the sort key of the last row.

    `filters` name the list and everything that selects its rows: a token works only with the same ones.
    """
    values = [value.isoformat() if isinstance(value, datetime) else _plain(value) for value in cursor]
    raw = json.dumps([_fingerprint(filters), *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()


def decode_token(token: str, *, filters: Sequence[object], kinds: Sequence[type]) -> tuple[Any, ...] | None:
    """The cursor in `token` as values of `kinds` (str, int, UUID, datetime); None for "", the first page.

    Raises PageTokenInvalid for anything that `encode_token` didn't make for this list with these filters.
    """
    if not token:
        return None
    try:
        if len(token) > MAX_TOKEN_CHARS:
            raise ValueError("longer than any token")
        # validate=True would need the other alphabet; a stray character changes the JSON and fails there.
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        fingerprint, *values = json.loads(raw)
        if fingerprint != _fingerprint(filters):
            raise ValueError("made for another list")
        return tuple(_typed(value, kind) for value, kind in zip(values, kinds, strict=True))
    except (ValueError, TypeError, RecursionError) as exc:
        raise PageTokenInvalid() from exc


def _plain(value: str | int | UUID) -> str | int:
    return str(value) if isinstance(value, UUID) else value


def _typed(value: Any, kind: type) -> Any:
    if kind is datetime:
        moment = datetime.fromisoformat(_exactly(value, str))
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        return moment
    if kind is UUID:
        return UUID(_exactly(value, str))
    if kind is int and not -(2**63) <= _exactly(value, int) < 2**63:
        raise ValueError("wider than any column")
    return _exactly(value, kind)


def _exactly(value: Any, kind: type) -> Any:
    # bool is an int to isinstance, and no cursor is one.
    if type(value) is not kind:
        raise ValueError(f"not a {kind.__name__}")
    return value


def _fingerprint(filters: Sequence[object]) -> str:
    raw = json.dumps([str(each) for each in filters], separators=(",", ":"))
    return hashlib.sha256(raw.encode()).hexdigest()[:_FINGERPRINT_CHARS]
