"""Embeddings from an OpenAI-compatible server."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from meshkit.errors import Overloaded
from meshkit.models.endpoint import Connection, Endpoint, RefusedByServer
from meshkit.models.errors import (
    ChatError,
    ChatMalformed,
    ChatRateLimited,
    ChatTimeout,
    ChatUnavailable,
    EmbeddingTimeout,
    EmbeddingUnavailable,
)
from meshkit.models.vectors import FAILURES, MAX_TEXTS, SECONDS, TEXTS, Vectors, normalised
from meshkit.telemetry import get_logger

log = get_logger(__name__)

# Texts in one request: what every known server takes.
_BATCH = 64
# Servers refuse texts that are too long; chunks and questions are far below this.
_MOST_CHARACTERS = 8192


class OpenAIEmbedder:
    """An `Embedder` over `/embeddings`. The endpoint's `deadline_s` holds for each request of up to 64 texts."""

    def __init__(self, connection: Connection, model: str, dimension: int, *, asked: bool) -> None:
        self._connection = connection
        self._model = model
        self._dimension = dimension
        self._asked = asked

    @classmethod
    async def open(cls, endpoint: Endpoint, model: str, dimension: int | None = None) -> "OpenAIEmbedder":
        """Connects. With `dimension` the server is asked for that many numbers, else its own length is learned."""
        connection = Connection(endpoint)
        embedder = cls(connection, model, dimension or 0, asked=dimension is not None)
        if dimension is None:
            try:
                embedder._dimension = (await embedder.embed(["dimension"])).shape[1]
            except BaseException:
                await connection.close()
                raise
        return embedder

    @property
    def name(self) -> str:
        # Where the model runs is no part of what it computes.
        return f"endpoint:{self._model}:{self._dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if len(texts) > MAX_TEXTS:
            raise ValueError(f"{len(texts)} texts in one call; at most {MAX_TEXTS}")
        if not texts:
            return np.zeros((0, self._dimension), np.float32)
        started = time.monotonic()
        parts = [await self._request(texts[first : first + _BATCH]) for first in range(0, len(texts), _BATCH)]
        TEXTS.labels("endpoint").inc(len(texts))
        SECONDS.labels("endpoint").observe(time.monotonic() - started)
        return np.concatenate(parts)

    async def warm(self) -> None:
        await self.embed(["warm"])

    async def close(self) -> None:
        await self._connection.close()

    async def _request(self, texts: Sequence[str]) -> Vectors:
        # An empty text is refused by some servers, a lone surrogate by all.
        usable = [text[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8") or " " for text in texts]
        arguments: dict[str, Any] = {"model": self._model, "input": usable, "encoding_format": "float"}
        if self._asked:
            arguments["dimensions"] = self._dimension
        create = self._connection.client.embeddings.with_raw_response.create
        try:
            answer = await self._connection.call(create, arguments, self._connection.endpoint.deadline_s)
            return _vectors(answer, len(texts), self._dimension)
        except (ChatError, RefusedByServer) as exc:
            outcome = exc.outcome if isinstance(exc, ChatError) else "refused"
            FAILURES.labels("endpoint", outcome).inc()
            log.warning("embedding_failed", outcome=outcome, model=self._model, texts=len(texts))
            raise _as_embedding_error(exc) from None


def _as_embedding_error(exc: ChatError | RefusedByServer) -> Exception:
    if isinstance(exc, ChatTimeout):
        return EmbeddingTimeout()
    if isinstance(exc, ChatUnavailable) and exc.reason == "local_queue_full":
        return Overloaded(retry_after_s=1)
    return EmbeddingUnavailable(retry_after_s=exc.retry_after_s if isinstance(exc, ChatRateLimited) else None)


def _vectors(answer: dict[str, Any], count: int, dimension: int) -> Vectors:
    """The rows in the order of the texts. ChatMalformed unless each is there once, and of the right length."""
    try:
        rows: list[Any] = [None] * count
        for position, item in enumerate(answer["data"]):
            index = item.get("index", position)
            if isinstance(index, bool) or index < 0 or rows[index] is not None:
                raise ChatMalformed("not_a_completion")
            rows[index] = item["embedding"]
        with np.errstate(over="ignore"):
            vectors = np.array(rows, dtype=np.float32)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        raise ChatMalformed("not_a_completion") from None
    if vectors.ndim != 2 or vectors.shape[1] == 0 or (dimension and vectors.shape[1] != dimension):
        raise ChatMalformed("not_a_completion")
    scaled = normalised(vectors)
    if scaled is None:
        raise ChatMalformed("not_a_completion")
    return scaled
