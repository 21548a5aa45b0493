"""Cross-encoders: how well each of some texts answers a question, at an endpoint or on this machine."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx2

from meshkit.models.endpoint import Connection, Endpoint, RefusedByServer
from meshkit.models.errors import ChatMalformed, ChatTimeout, ChatUnavailable

MOST_TEXTS = 32
"""Texts in one request."""
_MOST_CHARACTERS = 8192


class Reranker(Protocol):
    """Scores texts against a question. Fails as a chat model does, with the same errors."""

    @property
    def name(self) -> str:
        """The model; scores are comparable only under one name."""

    async def scores(self, query: str, texts: Sequence[str], *, deadline_s: float) -> list[float]:
        """One finite number for each text, higher is better; its scale is the model's own. All or none, in time.

        Raises ChatUnavailable, ChatTimeout, ChatRateLimited, and ChatMalformed for whatever is no such number.
        """

    async def close(self) -> None:
        """Ends what runs. May be called twice."""


class RerankEndpoint:
    """A `Reranker` over `POST {base}/rerank` as Jina, Cohere and vLLM serve it."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._connection = Connection(endpoint)
        self._model = model

    @property
    def name(self) -> str:
        return f"endpoint:{self._model}"

    async def scores(self, query: str, texts: Sequence[str], *, deadline_s: float) -> list[float]:
        until = time.monotonic() + deadline_s
        found: list[float] = []
        for start in range(0, len(texts), MOST_TEXTS):
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise ChatTimeout(deadline_s)
            found += await self._request(query, texts[start : start + MOST_TEXTS], left_s)
        return found

    async def close(self) -> None:
        await self._connection.close()

    async def _request(self, query: str, texts: Sequence[str], deadline_s: float) -> list[float]:
        documents = [_sendable(each) for each in texts]
        asked = {"model": self._model, "query": _sendable(query), "documents": documents, "top_n": len(documents)}
        try:
            answer = await self._connection.call(self._post, {"body": asked}, deadline_s)
        except RefusedByServer as exc:
            raise ChatUnavailable("bad_request", exc.status) from None
        return _in_order(answer.get("results"), len(documents))

    async def _post(self, *, body: Mapping[str, Any], timeout: float) -> httpx2.Response:
        return await self._connection.client.post(
            "/rerank", cast_to=httpx2.Response, body=body, options={"timeout": timeout}
        )


async def open_reranker(
    spec: str, models_dir: Path | None = None, *, endpoint: Endpoint | None = None, intra_op_threads: int = 1
) -> Reranker:
    """The model `spec` of `endpoint`, else the folder (or the name of one in `models_dir`) with an ONNX cross-encoder.

    Raises ModelCorrupt if the folder is missing, damaged, or holds no model of pairs.
    """
    if endpoint is not None:
        return RerankEndpoint(endpoint, spec)
    # Here, since not every process that can rerank has a model of its own.
    from meshkit.models import onnx_reranker

    return await asyncio.to_thread(onnx_reranker.load, spec, models_dir, intra_op_threads)


def _sendable(text: str) -> str:
    # An empty text is refused by some servers, a lone surrogate by all.
    return text[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8") or " "


def _in_order(results: Any, count: int) -> list[float]:
    """The scores in the order of the texts. ChatMalformed unless each text has one finite score."""
    found: dict[int, float] = {}
    for each in results if isinstance(results, list) else ():
        index, score = (each.get("index"), each.get("relevance_score")) if isinstance(each, dict) else (None, None)
        if type(index) is not int or not 0 <= index < count or index in found:
            raise ChatMalformed("wrong_schema")
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise ChatMalformed("wrong_schema")
        found[index] = float(score)
    if len(found) != count:
        raise ChatMalformed("wrong_schema")
    return [found[index] for index in range(count)]
