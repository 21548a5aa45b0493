"""An OpenAI-compatible server that answers as it is told, and misbehaves on request.

    async with ScriptedServer() as server:
        server.chat.append(answer("Hello."))
        server.chat.append(Reply(status=429, headers={"Retry-After": "7"}))
        … base_url = server.base_url …

Each path has its queue of replies; with an empty queue it behaves: `/chat/completions` says "ok" (or whatever
`server.respond` makes of the request), `/embeddings` gives each text a vector of its own, `/predict` finds that every
hypothesis follows. `server.requests` keeps what
was asked. It talks HTTP by hand, because the libraries won't send what a broken server sends.
"""

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

_REASONS = {200: "OK", 400: "Bad Request", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """What to send. By default all at once, and correct as HTTP."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    send_only: int | None = None
    """Hang up after so many bytes of the body, though Content-Length promises all."""
    stall: bool = False
    """Say nothing more, and keep the connection open."""
    byte_every_s: float | None = None
    """Send one byte at a time with so long a pause between."""
    chunked_without_end: bool = False
    """Send the body again and again as chunks, with no Content-Length, for as long as anyone reads."""


@dataclass(frozen=True)
class HangUp:
    """Close the connection without a word."""


Scripted = Reply | HangUp


def json_reply(value: Any, **options: Any) -> Reply:
    return Reply(json.dumps(value).encode(), **options)


def completion(
    text: str | None, *, finish: str = "stop", usage: tuple[int, int] | None = (11, 7), **message: Any
) -> Any:
    """The JSON of a chat completion."""
    answer: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted-model",
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        ],
    }
    if usage is not None:
        answer["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return answer


def answer(text: str | None, **options: Any) -> Reply:
    return json_reply(completion(text, **options))


def error(status: int, message: str = "no", **options: Any) -> Reply:
    return json_reply({"error": {"message": message, "type": "scripted", "code": None}}, status=status, **options)


def embeddings(texts: list[str], dimension: int = 8) -> Any:
    """The JSON of an embeddings response: each text's vector follows from its digest."""
    rows = [[byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:dimension]] for text in texts]
    data = [{"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)]
    return {
        "object": "list",
        "model": "scripted-embedder",
        "data": data,
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }


def predictions(*rows: tuple[float, float, float]) -> Reply:
    """A reply of `/predict`: entailment, neutral and contradiction of each pair."""
    labels = ("entailment", "neutral", "contradiction")
    return json_reply([[{"label": a, "score": b} for a, b in zip(labels, row, strict=True)] for row in rows])


def _pairs(request: Request) -> list[Any]:
    found: list[Any] = request.body["inputs"]
    return found


class ScriptedServer:
    def __init__(self) -> None:
        self.chat: deque[Scripted] = deque()
        self.embeddings: deque[Scripted] = deque()
        self.rerank: deque[Scripted] = deque()
        self.predictions: deque[Scripted] = deque()
        self.requests: list[Request] = []
        self.respond: Callable[[Request], Scripted] = lambda _: answer("ok")
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.hung_up_on = asyncio.Event()
        """Set when a client went away before its reply was complete."""

    @property
    def base_url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await self._read(reader)) is not None:
                self.requests.append(request)
                if not await self._send(self._choose(request), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up_on.set()
        finally:
            self._connections.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Request | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        return Request(first.split()[1], headers, json.loads(raw) if raw else None)

    def _choose(self, request: Request) -> Scripted:
        if request.path.endswith("/chat/completions"):
            return self.chat.popleft() if self.chat else self.respond(request)
        if request.path.endswith("/embeddings"):
            return self.embeddings.popleft() if self.embeddings else json_reply(embeddings(request.body["input"]))
        if request.path.endswith("/predict"):
            return (
                self.predictions.popleft()
                if self.predictions
                else predictions(*[(1.0, 0.0, 0.0)] * len(_pairs(request)))
            )
        if request.path.endswith("/rerank"):
            return self.rerank.popleft() if self.rerank else self.respond(request)
        return error(404)

    async def _send(self, reply: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        if isinstance(reply, HangUp):
            return False
        length = {} if reply.chunked_without_end else {"Content-Length": str(len(reply.body))}
        framing = {"Transfer-Encoding": "chunked"} if reply.chunked_without_end else length
        headers = {"Content-Type": "application/json", **framing, **reply.headers}
        head = f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode("latin-1") + b"\r\n")
        await writer.drain()
        if reply.stall:
            # Ends when the client does.
            await reader.read(1)
            self.hung_up_on.set()
            return False
        if reply.chunked_without_end:
            while True:
                writer.write(f"{len(reply.body):x}\r\n".encode() + reply.body + b"\r\n")
                await writer.drain()
        if reply.byte_every_s is not None:
            for at in range(len(reply.body)):
                writer.write(reply.body[at : at + 1])
                await writer.drain()
                await asyncio.sleep(reply.byte_every_s)
            return True
        writer.write(reply.body[: reply.send_only])
        await writer.drain()
        return reply.send_only is None
