"""Natural language inference at an endpoint: does one text follow from another?

The wire is text classification of pairs, as Hugging Face's text-embeddings-inference serves it: `POST {base}/predict`
with `{"inputs": [[premise, hypothesis], …], "truncate": true}` gives, per pair, `[{"label", "score"}, …]`.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from meshkit.models.endpoint import Connection, Endpoint, RefusedByServer, json_body
from meshkit.models.errors import ChatMalformed, ChatTimeout, ChatUnavailable

MOST_PAIRS = 32
"""Pairs in one call: what such servers take by default."""
_LABELS = {
    "entailment": "entailment",
    "neutral": "neutral",
    "contradiction": "contradiction",
    # Models that know two labels only: what does not follow is not thereby denied.
    "not_entailment": "neutral",
}
# Scores are shares of one; half a percent is left for rounding.
_SUM_TOLERANCE = 0.005


@dataclass(frozen=True, slots=True)
class Entailment:
    """Shares of one: that the hypothesis follows, that it neither follows nor is denied, that it is denied."""

    entailment: float
    neutral: float
    contradiction: float


class EntailmentEndpoint:
    """A classifier of pairs. Fails as a chat model does, with the same errors."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = Connection(endpoint)

    async def judge(self, pairs: Sequence[tuple[str, str]], *, deadline_s: float) -> list[Entailment]:
        """One judgement per (premise, hypothesis), all within `deadline_s` seconds.

        Raises ChatUnavailable, ChatTimeout, ChatRateLimited, and ChatMalformed for whatever is no judgement: an unknown
        label, a number that is no share, one pair too few.
        """
        until = time.monotonic() + deadline_s
        found: list[Entailment] = []
        for start in range(0, len(pairs), MOST_PAIRS):
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise ChatTimeout(deadline_s)
            found += await self._predict(pairs[start : start + MOST_PAIRS], left_s)
        return found

    async def close(self) -> None:
        """Closes the connections. May be called twice."""
        await self._connection.close()

    async def _predict(self, pairs: Sequence[tuple[str, str]], deadline_s: float) -> list[Entailment]:
        inputs = {"inputs": [list(each) for each in pairs], "truncate": True}
        try:
            body = await self._connection.body(self._post, {"body": inputs}, deadline_s)
        except RefusedByServer as exc:
            raise ChatUnavailable("bad_request", exc.status) from None
        read = json_body(body)
        if not isinstance(read, list) or len(read) != len(pairs):
            raise ChatMalformed("wrong_schema")
        return [_entailment(each) for each in read]

    async def _post(self, *, body: Mapping[str, Any], timeout: float) -> httpx2.Response:
        return await self._connection.client.post(
            "/predict", cast_to=httpx2.Response, body=body, options={"timeout": timeout}
        )


def _entailment(row: Any) -> Entailment:
    if not isinstance(row, list) or not row:
        raise ChatMalformed("wrong_schema")
    shares = dict.fromkeys(("entailment", "neutral", "contradiction"), 0.0)
    seen: set[str] = set()
    for each in row:
        label, score = (each.get("label"), each.get("score")) if isinstance(each, dict) else (None, None)
        name = _LABELS.get(label.lower()) if isinstance(label, str) else None
        if name is None or name in seen or isinstance(score, bool) or not isinstance(score, int | float):
            raise ChatMalformed("wrong_schema")
        if not 0 <= score <= 1:
            raise ChatMalformed("wrong_schema")
        seen.add(name)
        shares[name] = float(score)
    if "entailment" not in seen or not math.isclose(math.fsum(shares.values()), 1, abs_tol=_SUM_TOLERANCE):
        raise ChatMalformed("wrong_schema")
    return Entailment(**shares)
