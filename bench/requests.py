"""The calls that are sent: PostMessage, as gRPC and as REST, ready for the wire but for their number."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from groundline.conversation.v1 import conversation_service_pb2 as pb

PATH = "/groundline.conversation.v1.ConversationService/PostMessage"
CONTENT = "My router shows error E-1042 after the last update and the lamp blinks red. What should I do now?"
# What clients of the mesh give themselves.
TIMEOUT = "10S"


@dataclass(frozen=True, slots=True)
class Customer:
    """A conversation and the token that opens it."""

    session_id: str
    token: str


class GrpcRequests:
    """Header blocks (HPACK) and length-prefixed messages. Call number n goes to conversation n modulo their count."""

    def __init__(self, customers: Sequence[Customer], *, authority: str, run: str) -> None:
        self._customers = customers
        self._run = run
        self._heads = [_header_block(authority, each.token) for each in customers]

    def build(self, number: int) -> tuple[bytes, bytes]:
        """Header block and body of call `number`."""
        which = number % len(self._customers)
        message = pb.PostMessageRequest(
            session_id=self._customers[which].session_id, content=CONTENT, request_id=f"{self._run}-{number:08d}"
        ).SerializeToString()
        return self._heads[which], b"\0" + len(message).to_bytes(4, "big") + message


class RestRequests:
    """HTTP/1.1 requests with JSON."""

    def __init__(self, customers: Sequence[Customer], *, authority: str, run: str) -> None:
        self._run = run
        self._heads = [
            f"POST /v1/sessions/{each.session_id}/messages HTTP/1.1\r\nhost: {authority}\r\n"
            f"authorization: Bearer {each.token}\r\ncontent-type: application/json\r\ncontent-length: ".encode()
            for each in customers
        ]

    def build(self, number: int) -> bytes:
        """The bytes of call `number`."""
        body = json.dumps({"content": CONTENT, "request_id": f"{self._run}-{number:08d}"}).encode()
        return b"%b%d\r\n\r\n%b" % (self._heads[number % len(self._heads)], len(body), body)


def _header_block(authority: str, token: str) -> bytes:
    headers = [
        (":path", PATH),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", TIMEOUT),
        ("authorization", f"Bearer {token}"),
    ]
    # 0x83 and 0x86 are `:method: POST` and `:scheme: http` in HPACK's static table. All else goes as literals that
    # neither side remembers, so that a block can be sent again as it is.
    return b"\x83\x86" + b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    left, size = len(raw) - 127, bytearray([127])
    while left >= 128:
        size.append(left % 128 + 128)
        left //= 128
    size.append(left)
    return bytes(size) + raw
