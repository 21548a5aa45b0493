"""A wire between two processes that can be cut, fall silent, or become slow: a small proxy of the suite's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
# What may be under way in one direction: enough that a delay alone makes nothing slow.
_MOST_CHUNKS = 256
_CHUNK = 65_536
_REMEMBERED = 4_096

End = int | Path
"""A TCP port of this machine, or a Unix socket."""


@dataclass(eq=False)
class Strand:
    """One connection through the wire. `said` is what the near end said first."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter | None = None
    said: bytearray = field(default_factory=bytearray)
    passing: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        """Both ends see a reset."""
        for each in (self.near, self.far):
            if each is not None:
                each.transport.abort()


class Wire:
    """Passes on what the near end and the far end say. All of its faults can be taken back by `heal`.

    `delay_s` is how much later each direction's bytes come; `bytes_per_s` what the near end gets at most, None without
    a bound.
    """

    def __init__(self, far: End) -> None:
        self._far = far
        self._strands: set[Strand] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: Callable[[Strand], bool] = lambda _: False
        self._refusing = False
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.near: End = 0

    @asynccontextmanager
    async def open(self, near: End = 0) -> AsyncIterator[Wire]:
        """Listens for the length of the block; at a free port by default."""
        if isinstance(near, Path):
            near.unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._connected, near)
            near.chmod(0o777)
            self.near = near
        else:
            server = await asyncio.start_server(self._connected, HOST, near)
            self.near = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def target(self) -> str:
        """host:port of the near end."""
        return f"{HOST}:{self.near}"

    def cut(self, *, refuse: bool = False) -> int:
        """Resets every connection, and with `refuse` every further one; returns how many there were."""
        self._refusing = refuse
        strands = list(self._strands)
        for each in strands:
            each.cut()
        return len(strands)

    def silence(self, which: Callable[[Strand], bool] = lambda _: True) -> int:
        """From now on those connections pass nothing on, and neither end is told; new ones are judged, too, by what
        they say first. Returns how many there are now."""
        self._silent = which
        silenced = [each for each in self._strands if which(each)]
        for each in silenced:
            each.passing.clear()
        return len(silenced)

    def count(self, which: Callable[[Strand], bool]) -> int:
        """How many of its connections are such."""
        return sum(map(which, self._strands))

    def heal(self) -> None:
        """Passes everything on again, what was held back first."""
        self._refusing, self.delay_s, self.bytes_per_s = False, 0.0, None
        self._silent = lambda _: False
        for each in self._strands:
            each.passing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strand = Strand(writer)
        if self._refusing:
            strand.cut()
            return
        strand.passing.set()
        self._strands.add(strand)
        try:
            if isinstance(self._far, Path):
                far_reader, strand.far = await asyncio.open_unix_connection(self._far)
            else:
                far_reader, strand.far = await asyncio.open_connection(HOST, self._far)
        except OSError:
            strand.cut()
            self._strands.discard(strand)
            return
        tasks = [
            asyncio.create_task(self._pass_on(strand, reader, strand.far, outward=True)),
            asyncio.create_task(self._pass_on(strand, far_reader, writer, outward=False)),
        ]
        self._tasks.update(tasks)
        for each in tasks:
            each.add_done_callback(self._tasks.discard)
        await asyncio.wait(tasks)
        self._strands.discard(strand)

    async def _pass_on(
        self, strand: Strand, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, outward: bool
    ) -> None:
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_CHUNKS)
        writing = asyncio.create_task(self._write(strand, chunks, sink, outward=outward))
        loop = asyncio.get_running_loop()
        try:
            while data := await source.read(_CHUNK):
                if outward and len(strand.said) < _REMEMBERED:
                    strand.said += data
                    if self._silent(strand):
                        strand.passing.clear()
                await chunks.put((loop.time() + self.delay_s, data))
            await chunks.put((loop.time() + self.delay_s, b""))
            await writing
        except OSError:
            strand.cut()
        finally:
            writing.cancel()

    async def _write(
        self, strand: Strand, chunks: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, *, outward: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                due, data = await chunks.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await strand.passing.wait()
                if not data:
                    sink.close()
                    return
                if not outward and self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                sink.write(data)
                await sink.drain()
        except OSError:
            strand.cut()
