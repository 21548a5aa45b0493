"""What is sent over REST, and what kind of refusal it must meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .world import BAD_TOKENS

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


def _get(kind: str, title: str, path: str, token: str | None = "agent", **more: Any) -> Sent:
    return Sent(kind, title, "GET", path, token, **more)


def _says(kind: str, title: str, content: object, **more: Any) -> Sent:
    return Sent(kind, title, json={"content": content}, **more)


def _bytes(kind: str, title: str, body: bytes) -> Sent:
    return Sent(kind, title, body=body)


def _raw(
    kind: str, title: str, head: str, *, path: str = "/v1/sessions/$mine", verb: str = "GET", body: str = ""
) -> Sent:
    lines = f"{verb} {path} HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer $mine_token\r\n{head}\r\n{body}"
    return Sent(kind, title, raw=lines)


def _shapes() -> Iterator[Sent]:
    for title, content in (("number", 5), ("object", {"a": 1}), ("list", ["a"]), ("truth", True)):
        yield _says("json_type", title, content)
    yield Sent(
        "json_type", "text for a list", path="/v1/sessions", token=None, json={"channel": "web", "customer_groups": 7}
    )
    yield Sent("json_type", "text for a message", "PATCH", TICKET, "agent", json={"assignee": {}, "tags": {"a": 1}})
    yield Sent("json_type", "no base64", path="/v1/documents", token="admin", json={"uri": "x", "content": "%%%"})
    yield Sent("json_type", "no time", path="/v1/documents", token="admin", json={"uri": "x", "updated_at": "soon"})

    yield _bytes("json_syntax", "cut off", b'{"content": ')
    yield _bytes("json_syntax", "no quotes", b"{content}")
    yield _bytes("json_syntax", "plain text", b"hello")
    yield _bytes("json_syntax", "a list", b"[1]")
    yield _bytes("json_syntax", "null", b"null")
    yield _bytes("json_syntax", "a string", b'"x"')
    yield _bytes("json_syntax", "two objects", b'{"content": "a"}{"content": "b"}')
    yield _bytes("json_syntax", "5,000 levels deep", b'{"x":' * 5000 + b"1" + b"}" * 5000)
    yield _bytes("json_syntax", "an escape cut off", b'{"content": "a\\u12"}')
    yield Sent(
        "json_syntax", "a form", body=b"content=hello", headers={"content-type": "application/x-www-form-urlencoded"}
    )

    yield _get("query", "on a read", "/v1/sessions/$mine?colour=blue")
    yield _get("query", "on a list", "/v1/tickets?page_size=1&order_by=status")
    yield _get("query", "a token", "/v1/tickets?access_token=$agent", None)
    yield _says("query", "on a write", "hello", path=f"{MESSAGES}?colour=blue")
    yield _get("query", "of a field of another message", "/v1/sessions/$mine?page_size=1")

    yield Sent("collision", "session", json={"content": "hello", "session_id": "$theirs"})
    yield Sent(
        "collision",
        "ticket",
        path=f"{TICKET}/comments",
        token="agent",
        json={"body": "x", "visibility": "COMMENT_VISIBILITY_INTERNAL", "ticket_id": "$third_ticket"},
    )


def _text() -> Iterator[Sent]:
    for title, raw in (
        ("stray bytes", b"a\xff\xfeb"),
        ("a surrogate", b"a\xed\xa0\x80b"),
        ("an overlong slash", b"a\xc0\xafb"),
        ("beyond Unicode", b"a\xf4\x90\x80\x80b"),
        ("cut off", b"a\xe2\x82"),
        ("Latin-1", "für".encode("latin-1")),
        ("a lone escaped surrogate", b"a\\ud800b"),
    ):
        yield _bytes("utf8", title, b'{"content": "' + raw + b'"}')
    yield _bytes("nul", "escaped", b'{"content": "a\\u0000b"}')
    yield _bytes("nul", "as it is", b'{"content": "a\x00b"}')
    yield Sent(
        "nul", "in a customer's id", path="/v1/sessions", token="adapter", json={"channel": "web", "customer_id": "a\0"}
    )
    yield Sent("nul", "in a document's title", path="/v1/documents", token="admin", json=_document(title="a\0b"))
    yield Sent("nul", "in a list", path="/v1/documents", token="admin", json=_document(acl=["a\0b"]))

    yield _says("long", "one byte too many", "a" * (LIMIT + 1))
    yield _says("long", "in two-byte letters", "é" * (LIMIT // 2) + "a")
    yield _says("long", "in emoji", "🙂" * (LIMIT // 4) + "a")
    yield _says("long", "half a megabyte", "a" * 500_000)
    for title, content in (
        ("empty", ""),
        ("spaces", " \t\r\n"),
        ("no-break and em spaces", "\u00a0\u2003\u3000"),
        ("zero-width", "\u200b\u2060\ufeff"),
        ("control characters", "\x01\x1f\x7f"),
        ("direction marks", "\u202e\u2066"),
    ):
        yield _says("blank", title, content)
    yield Sent("blank", "no content at all", json={})
    yield Sent(
        "blank",
        "comment",
        path=f"{TICKET}/comments",
        token="agent",
        json={"body": " ", "visibility": 1, "request_id": "b"},
    )


def _document(**changes: Any) -> dict[str, Any]:
    return {"uri": "abuse.md", "media_type": "text/markdown", "content": "IyBIaQo=", **changes}


def _constraints() -> Iterator[Sent]:
    yield Sent("constraint", "request id with a space", json={"content": "x", "request_id": "a b"})
    yield Sent("constraint", "request id with a line", json={"content": "x", "request_id": "a\nb"})
    yield Sent("constraint", "request id too long", json={"content": "x", "request_id": "a" * 129})
    yield Sent("constraint", "channel", path="/v1/sessions", token=None, json={"channel": "WEB'; drop table"})
    yield Sent("constraint", "no channel", path="/v1/sessions", token=None, json={})
    yield Sent(
        "constraint",
        "customer id",
        path="/v1/sessions",
        token="adapter",
        json={"channel": "web", "customer_id": "a" * 257},
    )
    yield Sent(
        "constraint", "base name", path="/v1/sessions", token=None, json={"channel": "web", "knowledge_base": "../x"}
    )
    yield Sent(
        "constraint", "17 tags", path="/v1/tickets", token="agent", json={"session_id": "$mine", "tags": ["t"] * 17}
    )
    yield Sent("constraint", "no visibility", path=f"{TICKET}/comments", token="agent", json={"body": "x"})
    yield Sent(
        "constraint",
        "a path as a file name",
        path=f"{TICKET}/attachments",
        token="agent",
        json={"filename": "../../etc/passwd", "media_type": "text/plain", "content": "eA=="},
    )
    yield Sent(
        "constraint",
        "a media type with a line",
        path=f"{TICKET}/attachments",
        token="agent",
        json={"filename": "x", "media_type": "text/plain\r\nx: y", "content": "eA=="},
    )
    yield Sent("constraint", "a long note", path="/v1/sessions/$mine:escalate", json={"note": "a" * 4097})
    yield _get("constraint", "a long page token", f"{MESSAGES}?page_token={'a' * 1025}")

    yield Sent("enum", "unknown name", path=RATE_ANSWER, json={"rating": "RATING_WOW"})
    yield Sent("enum", "unknown number", path=RATE_ANSWER, json={"rating": 77})
    yield Sent("enum", "unspecified", path=RATE_ANSWER, json={"rating": "RATING_UNSPECIFIED"})
    yield _get("enum", "filter by name", "/v1/tickets?status=TICKET_STATUS_WOW")
    yield _get("enum", "filter by number", "/v1/tickets?status=77")
    yield Sent(
        "enum", "reason", path="/v1/tickets", token="agent", json={"session_id": "$mine", "escalation_reason": 999}
    )
    yield Sent("enum", "status", "PATCH", TICKET, "agent", json={"status": "TICKET_STATUS_WOW"})

    for path in ("/v1/sessions/$name", "/v1/tickets/$name", "/v1/documents/$name", "/v1/cases/$name"):
        for title, name in (("a word", "nope"), ("SQL", "1'%20or%20'1'='1"), ("with braces", "{$nobody}")):
            yield _get("malformed_id", f"{title}: {path}", path.replace("$name", name))
    yield _says("malformed_id", "message", None, path="/v1/sessions/$mine/messages/7:rate")
    yield _get("malformed_id", "as a filter", "/v1/tickets?session_id=7")

    for title, size in (("below 0", "-1"), ("above 200", "201"), ("no number", "x"), ("too wide", "99999999999")):
        yield _get("page_size", title, f"{MESSAGES}?page_size={size}")
        yield _get("page_size", f"tickets, {title}", f"/v1/tickets?page_size={size}")
    yield _get("page_size", "a fraction", "/v1/documents?page_size=1.5")

    yield _get("page_token", "made up", f"{MESSAGES}?page_token=zzz")
    yield _get("page_token", "not ASCII", f"{MESSAGES}?page_token=%C3%A9")
    yield _get("page_token", "JSON", "/v1/tickets?page_token=WyJhIiwxXQ")
    yield _get("page_token", "another list's", "/v1/tickets?page_token=$messages_page")
    yield _get("page_token", "another conversation's", "/v1/sessions/$theirs/messages?page_token=$messages_page")
    yield _get("page_token", "with another filter", "/v1/tickets?queue=general&page_token=$tickets_page")
    yield _get("page_token", "of tickets, for documents", "/v1/documents?page_token=$tickets_page")
    yield _get("page_token", "of documents, for cases", "/v1/cases?page_token=$documents_page")

    for title, mask in (("unknown", "nope"), ("fixed", "session_id"), ("nested", "evidence_pack.query"), ("all", "*")):
        yield Sent(
            "mask", title, "PATCH", f"{TICKET}?update_mask={mask}", "agent", json={"status": "TICKET_STATUS_PENDING"}
        )
    yield Sent(
        "media_type", "a program", path="/v1/documents", token="admin", json=_document(media_type="application/x-elf")
    )


def _transport() -> Iterator[Sent]:
    yield _bytes("body_size", "10 MB", b'{"content": "' + b"a" * 10_000_000 + b'"}')
    yield _bytes("body_size", "just above", b'{"content": "' + b"a" * MIB + b'"}')
    yield Sent("body_size", "without a credential", token=None, body=b"a" * 2_000_000)
    yield _get("header_size", "one", "/v1/sessions/$mine", headers={"x-long": "a" * 70_000})
    yield _get("http", "identity by `_`", "/v1/tickets", None, headers={"x_auth_role": "admin"})
    yield _raw("http", "NUL in a header", "x-a: a\0b\r\n")
    yield _raw(
        "http",
        "length and chunks",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        verb="POST",
        body="0\r\n\r\n",
    )
    yield _raw("http", "two lengths", "content-length: 5\r\ncontent-length: 6\r\n", verb="POST", body="hello!")
    yield _raw("http", "a length below 0", "content-length: -1\r\n", verb="POST")
    yield _raw("http", "a space in the path", "", path="/v1/sessions/$mine /x")
    yield _raw("http", "a WebSocket", "connection: upgrade\r\nupgrade: websocket\r\n")
    yield Sent("http", "no host", raw="GET /v1/sessions/$mine HTTP/1.1\r\n\r\n")
    yield Sent("http", "noise", raw="\x01\x02\x03\r\n\r\n")
    for title, path in (
        ("slash", "/v1/sessions/$mine%2Fmessages"),
        ("backslash", "/v1/sessions/$mine%5Cmessages"),
        ("NUL", "/v1/sessions/$mine%00"),
        ("above the root", "/v1/%2e%2e%2f%2e%2e%2fetc/passwd"),
    ):
        yield _get("path", title, path)
    yield Sent("method", "DELETE of a list", "DELETE", MESSAGES)
    yield Sent("method", "PUT of a ticket", "PUT", TICKET, "agent", json={})
    yield Sent("method", "POST to a read", "POST", "/v1/sessions/$mine", json={})
    yield Sent("method", "TRACE", "TRACE", "/v1/sessions/$mine")
    yield Sent("method", "a stranger's OPTIONS", "OPTIONS", MESSAGES, None, headers={"origin": "https://evil.example"})
    yield _get("method", "unknown path", "/v1/secrets")
    yield _get("method", "the root", "/")
    yield _get("method", "Envoy's own", "/config_dump")
    yield _get("method", "a gRPC path without gRPC", "/groundline.ticketing.v1.TicketingService/ListTickets")
    yield _raw("method", "above the root", "", path="/v1/sessions/x/../../../etc/passwd")
    yield Sent("method", "an RPC of the mesh without a REST rule", path="/v1/sessions/$mine:advance", json={})


def _credentials() -> Iterator[Sent]:
    for name, sent in (
        ("read", _get("no_credential", "read", "/v1/sessions/$mine", None)),
        ("write", _says("no_credential", "write", "hello", token=None)),
        ("list", _get("no_credential", "list", "/v1/tickets", None)),
        ("stream", _get("no_credential", "stream", "/v1/sessions/$mine/stream", None)),
    ):
        assert name == sent.title
        yield sent
    spoofed = {
        "x-auth-role": "admin",
        "x-auth-sub": "root",
        "x-groundline-role": "admin",
        "x-groundline-principal": "admin",
        "x-envoy-internal": "true",
        "x-forwarded-for": "127.0.0.1",
        "x-jwt-payload": "eyJyb2xlIjoiYWRtaW4ifQ",
    }
    yield _get("no_credential", "identity by headers", "/v1/tickets", None, headers=spoofed)
    injected = "GET /v1/tickets HTTP/1.1\r\nhost: edge\r\nx-a: b\r\nx-auth-role: admin\r\n\r\n"
    yield Sent("no_credential", "identity by an injected header", raw=injected)

    for name in BAD_TOKENS:
        yield _get("credential", name, "/v1/tickets", name)
        yield _get(
            "credential", f"{name}, as a cookie", "/v1/tickets", None, headers={"cookie": f"groundline_session=${name}"}
        )
    yield _get("credential", "another scheme", "/v1/tickets", None, headers={"authorization": "Basic YWRtaW46YWRtaW4="})
    yield _get("credential", "20,000 letters", "/v1/tickets", None, headers={"authorization": f"Bearer {'a' * 20_000}"})
    yield _says("credential", "on a method for everybody", None, path="/v1/sessions", token="expired")
    yield _raw("credential", "two", "authorization: Bearer $theirs_token\r\n")
    yield Sent(
        "credential",
        "none after the scheme",
        raw="GET /v1/tickets HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer \r\n\r\n",
    )

    yield _get("scope", "read", "/v1/sessions/$mine", "theirs_token")
    yield _get("scope", "list", MESSAGES, "theirs_token")
    yield _get("scope", "stream", "/v1/sessions/$mine/stream", "theirs_token")
    yield _says("scope", "write", "hello", token="theirs_token")
    yield Sent("scope", "resolve", path="/v1/sessions/$mine:resolve", token="theirs_token", json={})
    yield Sent("scope", "rate", path=RATE_ANSWER, token="theirs_token", json={"rating": 1})
    yield _get("scope", "an unknown session", "/v1/sessions/$nobody", "mine_token")
    yield _get("scope", "by cookie", "/v1/sessions/$mine", None, headers={"cookie": "groundline_session=$theirs_token"})
    yield _raw("scope", "a header in the path", "", path="/v1/sessions/$mine%0d%0aset-cookie:x")

    yield _get("role", "customer lists tickets", "/v1/tickets", "mine_token")
    beside = {"x-auth-role": "admin", "x-groundline-role": "admin"}
    yield _get("role", "customer with headers of an admin", "/v1/tickets", "mine_token", headers=beside)
    yield _get("role", "customer reads a ticket", TICKET, "mine_token")
    yield Sent(
        "role", "customer resolves a ticket", "PATCH", TICKET, "mine_token", json={"status": "TICKET_STATUS_RESOLVED"}
    )
    yield Sent("role", "customer comments", path=f"{TICKET}/comments", json={"body": "x", "visibility": 1})
    yield _get("role", "customer lists documents", "/v1/documents", "mine_token")
    yield Sent("role", "customer searches", path="/v1/evidence:search", json={"query": "x"})
    yield _says("role", "agent speaks as the customer", "hello", token="agent")
    yield Sent("role", "agent writes a document", path="/v1/documents", token="agent", json=_document())
    yield Sent("role", "agent deletes a document", "DELETE", "/v1/documents/$document", "agent")
    yield _get("role", "adapter lists tickets", "/v1/tickets", "adapter")
    groups = {"channel": "web", "customer_groups": ["group:agents"]}
    yield Sent("groups", "anybody", path="/v1/sessions", token=None, json=groups)
    yield Sent("groups", "an agent", path="/v1/sessions", token="agent", json=groups)
    yield Sent("assign", "to a colleague", "PATCH", TICKET, "agent", json={"assigned_to": "somebody-else"})

    cookie = {"cookie": "groundline_session=$mine_token"}
    for title, origin in (
        ("foreign", "https://evil.example"),
        ("null", "null"),
        ("look-alike", "http://127.0.0.1.evil.example"),
    ):
        yield _says("origin", title, "hello", token=None, headers=cookie | {"origin": origin})
    yield _says("origin", "none", "hello", token=None, headers=cookie)
    yield Sent("origin", "resolve", path="/v1/sessions/$mine:resolve", token=None, json={}, headers=cookie)


def _things() -> Iterator[Sent]:
    yield _get("session", "read", "/v1/sessions/$nobody")
    yield _get("session", "list", "/v1/sessions/$nobody/messages")
    yield _says("session", "write", "hello", path="/v1/sessions/$nobody/messages", token="adapter")
    yield Sent("session", "escalate", path="/v1/sessions/$nobody:escalate", token="adapter", json={})
    yield Sent("session", "ticket for it", path="/v1/tickets", token="agent", json={"session_id": "$nobody"})
    yield Sent("message", "rate", path="/v1/sessions/$mine/messages/$nobody:rate", json={"rating": 1})
    yield Sent(
        "message",
        "of another conversation",
        path="/v1/sessions/$theirs/messages/$answer:rate",
        token="theirs_token",
        json={"rating": 1},
    )
    yield _get("ticket", "read", "/v1/tickets/$nobody")
    yield _get("ticket", "comments", "/v1/tickets/$nobody/comments")
    yield Sent("ticket", "change", "PATCH", "/v1/tickets/$nobody", "agent", json={"status": "TICKET_STATUS_PENDING"})
    yield Sent(
        "ticket", "comment", path="/v1/tickets/$nobody/comments", token="agent", json={"body": "x", "visibility": 1}
    )
    yield _get("attachment", "read", f"{TICKET}/attachments/$nobody/content")
    yield _get("document", "read", "/v1/documents/$nobody")
    yield Sent("document", "delete", "DELETE", "/v1/documents/$nobody", "admin")
    yield _get("case", "read", "/v1/cases/$nobody")
    yield Sent("case", "approve", path="/v1/cases/$nobody:approve", token="agent", json={})
    yield Sent(
        "base", "conversation", path="/v1/sessions", token=None, json={"channel": "web", "knowledge_base": "nowhere"}
    )
    yield Sent("base", "document", path="/v1/documents", token="admin", json=_document(knowledge_base="nowhere"))
    yield Sent("base_exists", "default", path="/v1/knowledge-bases", token="admin", json={"name": "default"})
    yield Sent("reused", "message", json={"content": "something else", "request_id": "$request"})
    yield Sent(
        "reused",
        "comment",
        path=f"{TICKET}/comments",
        token="agent",
        json={"body": "else", "visibility": "COMMENT_VISIBILITY_INTERNAL", "request_id": "$request"},
    )
    yield Sent("second_ticket", "by hand", path="/v1/tickets", token="agent", json={"session_id": "$theirs"})
    yield Sent("etag", "stale", "PATCH", TICKET, "agent", json={"status": "TICKET_STATUS_PENDING", "etag": "stale"})
    yield Sent("rateable", "own question", path="/v1/sessions/$mine/messages/$question:rate", json={"rating": 1})


CASES: tuple[Sent, ...] = (*_shapes(), *_text(), *_constraints(), *_transport(), *_credentials(), *_things())
