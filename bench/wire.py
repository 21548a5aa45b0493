"""Just enough HTTP/2 and HTTP/1.1 to send calls and to see them answered, at a tenth of a real client's cost.

The load generator shares the machine with what it measures. A generated stub costs as much CPU a call as the server
does, and would make every server look alike.
"""

import re
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

# The number of a call, and what went wrong with it, if anything.
Answer: TypeAlias = tuple[int, str | None]

MAX_STREAMS = 64
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_FRAME_HEAD = 9
_FIRST_WINDOW = 65_535
# So much may be received without asking for more: more than any run will.
_OUR_WINDOW = 2**30
_LAST_STREAM = 2**31 - 1


class BrokenWire(Exception):
    """The peer ended the connection or said what can't be understood."""


class Wire(Protocol):
    """One connection, without its socket."""

    outgoing: bytearray
    """What is to be sent."""

    @property
    def has_room(self) -> bool:
        """Whether another call may be sent now."""

    def send(self, number: int) -> None:
        """Puts call `number` into `outgoing`."""

    def receive(self, data: bytes) -> Iterator[Answer]:
        """Takes what came in and yields the calls that it ends. Raises BrokenWire."""


class GrpcWire:
    """Unary gRPC over HTTP/2 with prior knowledge.

    A call that gets a message succeeded: a server that refuses sends a status and no message. So nothing that comes
    in has to be decompressed.
    """

    def __init__(self, build: Callable[[int], tuple[bytes, bytes]]) -> None:
        self._build = build
        self._calls: dict[int, int] = {}
        self._answered: set[int] = set()
        self._next_stream = 1
        self._window = _FIRST_WINDOW
        self._incoming = bytearray()
        # No push; whole messages without asking for more of each.
        settings = b"\0\x02\0\0\0\0" + b"\0\x04" + (2**20).to_bytes(4, "big")
        self.outgoing = bytearray(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, settings))
        self.outgoing += _frame(_WINDOW_UPDATE, 0, 0, (_OUR_WINDOW - _FIRST_WINDOW).to_bytes(4, "big"))

    @property
    def has_room(self) -> bool:
        return len(self._calls) < MAX_STREAMS and self._window > 16_384

    def send(self, number: int) -> None:
        head, body = self._build(number)
        stream = self._next_stream
        if stream > _LAST_STREAM:
            raise BrokenWire("the connection has no stream ids left")
        self._next_stream += 2
        self._calls[stream] = number
        self._window -= len(body)
        self.outgoing += _frame(_HEADERS, _END_HEADERS, stream, head)
        self.outgoing += _frame(_DATA, _END_STREAM, stream, body)

    def receive(self, data: bytes) -> Iterator[Answer]:
        if not data:
            raise BrokenWire("the peer closed the connection")
        buffer = self._incoming
        buffer += data
        at = 0
        while len(buffer) - at >= _FRAME_HEAD:
            end = at + _FRAME_HEAD + int.from_bytes(buffer[at : at + 3], "big")
            if end > len(buffer):
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            payload_at, at = at + _FRAME_HEAD, end
            if kind == _DATA:
                if end > payload_at:
                    self._answered.add(stream)
            elif kind != _HEADERS:
                yield from self._control(kind, flags, stream, bytes(buffer[payload_at:end]))
            if kind <= _HEADERS and flags & _END_STREAM:
                yield self._ended(stream, buffer, payload_at, end)
        del buffer[:at]

    def _ended(self, stream: int, buffer: bytearray, start: int, end: int) -> Answer:
        number = self._calls.pop(stream)
        if stream in self._answered:
            self._answered.discard(stream)
            return number, None
        return number, f"refused: {_readable(buffer[start:end])}"

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> Iterator[Answer]:
        if kind == _PING and not flags & _ACK:
            self.outgoing += _frame(_PING, _ACK, 0, payload)
        elif kind == _SETTINGS and not flags & _ACK:
            self.outgoing += _frame(_SETTINGS, _ACK, 0, b"")
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == _RST_STREAM and stream in self._calls:
            self._answered.discard(stream)
            yield self._calls.pop(stream), f"reset with code {int.from_bytes(payload, 'big')}"
        elif kind == _GOAWAY:
            raise BrokenWire(f"the peer goes away: {_readable(payload[8:])}")


class RestWire:
    """HTTP/1.1, one call at a time."""

    def __init__(self, build: Callable[[int], bytes]) -> None:
        self._build = build
        self._call: int | None = None
        self._incoming = bytearray()
        self.outgoing = bytearray()

    @property
    def has_room(self) -> bool:
        return self._call is None

    def send(self, number: int) -> None:
        self._call = number
        self.outgoing += self._build(number)

    def receive(self, data: bytes) -> Iterator[Answer]:
        if not data:
            raise BrokenWire("the peer closed the connection")
        buffer = self._incoming
        buffer += data
        head_end = buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(buffer[:head_end]).lower()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if not found:
            raise BrokenWire("an answer without a length")
        end = head_end + 4 + int(rest.partition(b"\r\n")[0])
        if len(buffer) < end or self._call is None:
            return
        number, self._call = self._call, None
        problem = None if head.startswith(b"http/1.1 200 ") else f"refused: {_readable(buffer[:end])}"
        buffer.clear()
        yield number, problem


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _readable(raw: bytes | bytearray) -> str:
    # What follows the cut is an encoded message; short pieces are the compression's.
    said = bytes(raw[:400]).partition(b"grpc-status-details-bin")[0]
    return " ".join(piece.decode().strip() for piece in re.findall(rb"[ -~]{4,}", said)) or "no words"
