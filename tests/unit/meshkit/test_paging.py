import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from meshkit.errors import PageTokenInvalid
from meshkit.ids import new_id
from meshkit.paging import decode_token, encode_token, page_size

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FILTERS = ("tickets", "open", None)


@pytest.mark.parametrize(("requested", "size"), [(0, 50), (-1, 50), (1, 1), (200, 200), (10_000, 200)])
def test_page_size_is_bounded(requested: int, size: int) -> None:
    assert page_size(requested) == size


def test_a_cursor_comes_back_as_it_was() -> None:
    cursor = (MOMENT, new_id(), "text", 7)
    kinds = (datetime, type(cursor[1]), str, int)
    assert decode_token(encode_token(cursor, filters=FILTERS), filters=FILTERS, kinds=kinds) == cursor


def test_the_first_page_has_no_cursor() -> None:
    assert decode_token("", filters=FILTERS, kinds=(str,)) is None


def test_a_token_works_for_its_own_list_only() -> None:
    token = encode_token(("a",), filters=FILTERS)
    for other in (("tickets", "closed", None), ("sessions", "open", None), ("tickets", "open"), ("tickets,open", None)):
        with pytest.raises(PageTokenInvalid):
            decode_token(token, filters=other, kinds=(str,))


def crafted(*values: Any) -> str:
    fingerprint = json.loads(base64.urlsafe_b64decode(encode_token((), filters=FILTERS) + "=="))[0]
    return base64.urlsafe_b64encode(json.dumps([fingerprint, *values]).encode()).decode()


def test_the_craft_of_this_test_is_otherwise_valid() -> None:
    assert decode_token(crafted("2026-01-02T03:04:05+00:00", 1), filters=FILTERS, kinds=(datetime, int)) is not None


@pytest.mark.parametrize(
    "token",
    [
        "!",
        "AAAA",
        "ü",
        "x" * 5000,
        "W10",
        "bnVsbA",
        "W1tbW1tb" * 100,
        crafted(),
        crafted("2026-01-02T03:04:05+00:00"),
        crafted("2026-01-02T03:04:05+00:00", True),
        crafted("2026-01-02T03:04:05+00:00", "1"),
        crafted("2026-01-02T03:04:05", 1),
        crafted(7, 1),
        crafted("2026-01-02T03:04:05+00:00", 1, 2),
        crafted("2026-01-02T03:04:05+00:00", 2**70),
    ],
)
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        decode_token(token, filters=FILTERS, kinds=(datetime, int))
