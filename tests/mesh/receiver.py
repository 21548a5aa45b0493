"""An endpoint outside that behaves as a test says: well, badly, or not at all."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Act = int | str
"""A status to answer with, or `hang`, `drip`, `garbage`, `reset`, `huge`, `redirect`."""


@dataclass
class Received:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Acts as told, one act after the other; the last one again and again. Counts every connection."""

    port: int = 0
    acts: list[Act] = field(default_factory=lambda: [200])
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    elsewhere: int = 0
    bytes_out: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def says(self, *acts: Act) -> None:
        self.acts = list(acts)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            if not head[0].startswith("POST /hook "):
                self.elsewhere += 1
            self.received.append(Received(headers, body))
            await self._act(self.acts.pop(0) if len(self.acts) > 1 else self.acts[0], reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _act(self, act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(act, int):
            writer.write(f"HTTP/1.1 {act} Said\r\ncontent-length: 2\r\n\r\nok".encode())
            await writer.drain()
        elif act == "redirect":
            target = f"http://127.0.0.1:{self.port}/elsewhere"
            writer.write(f"HTTP/1.1 307 Moved\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
        elif act == "hang":
            await reader.read()
        elif act == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\n")
            while not reader.at_eof():
                writer.write(b"x-more: 1\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        elif act == "garbage":
            writer.write(b"\x00\xff not a protocol\r\n\r\n")
            await writer.drain()
        elif act == "reset":
            writer.transport.abort()
        elif act == "huge":
            # Headers first: a receiver that is well until it comes to the body.
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
            for _ in range(1000):
                writer.write(b"x" * 1_000_000)
                await writer.drain()
                self.bytes_out += 1_000_000
        else:
            raise AssertionError(act)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a port that the system chooses."""
    scripted = Receiver()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
