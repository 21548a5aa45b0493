"""One request over REST, and short ways to write it down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MESSAGES = "/v1/sessions/$mine/messages"
RATE_ANSWER = "/v1/sessions/$mine/messages/$answer:rate"
TICKET = "/v1/tickets/$theirs_ticket"
LIMIT = 16_384
MIB = 1 << 20


@dataclass(frozen=True)
class Sent:
    """One request. `$names` in path, headers and JSON are the world's. `body` is sent as it is, in place of `json`.

    `raw` is written to the socket as it stands, in place of all else.
    """

    kind: str
    title: str
    verb: str = "POST"
    path: str = MESSAGES
    token: str | None = "mine_token"
    json: Any = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}"


def get(kind: str, title: str, path: str, token: str | None = "agent", **more: Any) -> Sent:
    return Sent(kind, title, "GET", path, token, **more)


def says(kind: str, title: str, content: object, **more: Any) -> Sent:
    return Sent(kind, title, json={"content": content}, **more)


def given(kind: str, title: str, body: bytes) -> Sent:
    return Sent(kind, title, body=body)


def raw(
    kind: str, title: str, head: str, *, path: str = "/v1/sessions/$mine", verb: str = "GET", body: str = ""
) -> Sent:
    lines = f"{verb} {path} HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer $mine_token\r\n{head}\r\n{body}"
    return Sent(kind, title, raw=lines)


def document(**changes: Any) -> dict[str, Any]:
    return {"uri": "abuse.md", "media_type": "text/markdown", "content": "IyBIaQo=", **changes}
