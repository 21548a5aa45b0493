"""An OpenAI-compatible server: where it is, and a client that trusts it with nothing."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai
from pydantic import SecretStr

from meshkit.models.errors import ChatError, ChatMalformed, ChatRateLimited, ChatTimeout, ChatUnavailable

LONGEST_PAUSE_S = 3600.0
# Of an error's body only so much is looked at, and nothing of it is ever shown.
_ERROR_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and how much of it we bear. `base_url` ends where `/chat/completions` or `/embeddings` begins."""

    base_url: str
    api_key: SecretStr = field(default_factory=lambda: SecretStr(""))
    deadline_s: float = 30.0
    """How long a call may take that names no deadline of its own."""
    max_concurrent: int = 16
    """Calls at a time; further ones wait within their deadline."""
    max_waiting: int = 256
    """Calls that may wait; the next one is refused at once."""
    max_response_bytes: int = 4 * 1024 * 1024

    def __post_init__(self) -> None:
        url = httpx2.URL(self.base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("the model endpoint's base_url must be an http or https URL")
        if url.userinfo:
            raise ValueError("the model endpoint's base_url must not carry a credential: use the API key")


class RefusedByServer(Exception):
    """A 4xx that says the request itself is not understood; `text` is for choosing another wording, never for logs."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(str(status))
        self.status = status
        self.text = text


class Connection:
    """Calls to one endpoint: bounded in number, in time and in what comes back; never repeated by the library."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._slots = asyncio.Semaphore(endpoint.max_concurrent)
        self._waiting = 0
        transport = _BoundedTransport(
            httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=endpoint.max_concurrent)),
            endpoint.max_response_bytes,
        )
        self.client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            # Servers on this machine want none, and the client refuses an empty one.
            api_key=endpoint.api_key.get_secret_value() or "none",
            max_retries=0,
            http_client=httpx2.AsyncClient(transport=transport, follow_redirects=False, trust_env=False),
        )

    async def call(
        self, create: Callable[..., Awaitable[Any]], arguments: dict[str, Any], deadline_s: float
    ) -> dict[str, Any]:
        """The JSON object that `create` (a raw call of the client) brings within `deadline_s` seconds in all.

        Raises as `body` does.
        """
        return _json_object(await self.body(create, arguments, deadline_s))

    async def body(self, create: Callable[..., Awaitable[Any]], arguments: dict[str, Any], deadline_s: float) -> bytes:
        """The body that `create` (a raw call of the client) brings within `deadline_s` seconds in all.

        Raises ChatError, or RefusedByServer for a 400, 415, 422 or 501.
        """
        if self._waiting >= self.endpoint.max_waiting:
            raise ChatUnavailable("local_queue_full")
        try:
            # Around everything: the library's timeouts start anew with each byte that dribbles in.
            async with asyncio.timeout(deadline_s):
                self._waiting += 1
                try:
                    await self._slots.acquire()
                finally:
                    self._waiting -= 1
                try:
                    response = await create(**arguments, timeout=deadline_s)
                    content: bytes = response.content
                    return content
                finally:
                    self._slots.release()
        except TimeoutError:
            raise ChatTimeout(deadline_s) from None
        except openai.OpenAIError as exc:
            # Without its cause: the library's exceptions carry the request, and with it the key.
            raise _translated(exc, deadline_s) from None
        except httpx2.HTTPError:
            raise ChatUnavailable("connection") from None

    async def close(self) -> None:
        """Closes the connections. May be called twice."""
        await self.client.close()


class _TooLarge(openai.OpenAIError):
    """The response is larger than allowed. Derives from the library's error so that it is passed through as it is."""


class _BoundedTransport(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncBaseTransport, most: int) -> None:
        self._inner = inner
        self._most = most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # Compressed, a small body could become a very large one.
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        stated = response.headers.get("content-length", "")
        encoded = response.headers.get("content-encoding", "identity").lower() != "identity"
        if encoded or (stated.isdigit() and int(stated) > self._most):
            await response.aclose()
            raise _TooLarge
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, self._most)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, most: int) -> None:
        self._inner = inner
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for part in self._inner:
            seen += len(part)
            if seen > self._most:
                raise _TooLarge
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def _translated(exc: openai.OpenAIError, deadline_s: float) -> ChatError | RefusedByServer:
    if isinstance(exc, _TooLarge):
        return ChatUnavailable("response_too_large")
    if isinstance(exc, openai.APITimeoutError):
        return ChatTimeout(deadline_s)
    if not isinstance(exc, openai.APIStatusError):
        return ChatUnavailable("connection")
    status = exc.status_code
    if status == 429:
        return ChatRateLimited(retry_after_s(exc.response.headers.get("retry-after")))
    if status in (400, 415, 422, 501):
        return RefusedByServer(status, exc.response.text[:_ERROR_TEXT])
    if status in (401, 403):
        return ChatUnavailable("unauthorized", status)
    if status == 404:
        return ChatUnavailable("not_found", status)
    return ChatUnavailable("server_error" if status >= 500 else "bad_request", status)


def retry_after_s(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date, within [0, LONGEST_PAUSE_S]; else None."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except (TypeError, ValueError):
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE_S) if math.isfinite(seconds) else None


def strict_json(text: str | bytes) -> Any:
    """JSON as the standard has it: no NaN or Infinity, no nesting without end. ValueError otherwise."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def json_body(body: bytes) -> Any:
    """What an answer's body says. Raises ChatMalformed if it is empty or no JSON."""
    if not body.strip():
        raise ChatMalformed("empty")
    try:
        return strict_json(body)
    except ValueError:
        raise ChatMalformed("not_json") from None


def _json_object(body: bytes) -> dict[str, Any]:
    read = json_body(body)
    if not isinstance(read, dict):
        raise ChatMalformed("not_a_completion")
    return read
