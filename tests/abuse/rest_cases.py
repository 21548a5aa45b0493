"""What is sent over REST, and what kind of refusal it must meet."""

from __future__ import annotations

from collections.abc import Iterator

from .rest_callers import callers
from .sent import LIMIT, MESSAGES, MIB, RATE_ANSWER, TICKET, Sent, document, get, given, raw, says


def _shapes() -> Iterator[Sent]:
    for title, content in (("number", 5), ("object", {"a": 1}), ("list", ["a"]), ("truth", True)):
        yield says("json_type", title, content)
    yield Sent(
        "json_type", "text for a list", path="/v1/sessions", token=None, json={"channel": "web", "customer_groups": 7}
    )
    yield Sent("json_type", "text for a message", "PATCH", TICKET, "agent", json={"assignee": {}, "tags": {"a": 1}})
    yield Sent("json_type", "no base64", path="/v1/documents", token="admin", json={"uri": "x", "content": "%%%"})
    yield Sent("json_type", "no time", path="/v1/documents", token="admin", json={"uri": "x", "updated_at": "soon"})

    yield given("json_syntax", "cut off", b'{"content": ')
    yield given("json_syntax", "no quotes", b"{content}")
    yield given("json_syntax", "plain text", b"hello")
    yield given("json_syntax", "a list", b"[1]")
    yield given("json_syntax", "null", b"null")
    yield given("json_syntax", "a string", b'"x"')
    yield given("json_syntax", "two objects", b'{"content": "a"}{"content": "b"}')
    yield given("json_syntax", "5,000 levels deep", b'{"x":' * 5000 + b"1" + b"}" * 5000)
    yield given("json_syntax", "an escape cut off", b'{"content": "a\\u12"}')
    yield Sent(
        "json_syntax", "a form", body=b"content=hello", headers={"content-type": "application/x-www-form-urlencoded"}
    )

    yield get("query", "on a read", "/v1/sessions/$mine?colour=blue")
    yield get("query", "on a list", "/v1/tickets?page_size=1&order_by=status")
    yield get("query", "a token", "/v1/tickets?access_token=$agent", None)
    yield says("query", "on a write", "hello", path=f"{MESSAGES}?colour=blue")
    yield get("query", "of a field of another message", "/v1/sessions/$mine?page_size=1")

    yield Sent("collision", "session", json={"content": "hello", "session_id": "$theirs"})
    yield Sent(
        "collision",
        "ticket",
        path=f"{TICKET}/comments",
        token="agent",
        json={"body": "x", "visibility": "COMMENT_VISIBILITY_INTERNAL", "ticket_id": "$third_ticket"},
    )


def _text() -> Iterator[Sent]:
    for title, text in (
        ("stray bytes", b"a\xff\xfeb"),
        ("a surrogate", b"a\xed\xa0\x80b"),
        ("an overlong slash", b"a\xc0\xafb"),
        ("beyond Unicode", b"a\xf4\x90\x80\x80b"),
        ("cut off", b"a\xe2\x82"),
        ("Latin-1", "für".encode("latin-1")),
        ("a lone escaped surrogate", b"a\\ud800b"),
    ):
        yield given("utf8", title, b'{"content": "' + text + b'"}')
    yield given("nul", "escaped", b'{"content": "a\\u0000b"}')
    yield given("nul", "as it is", b'{"content": "a\x00b"}')
    yield Sent(
        "nul", "in a customer's id", path="/v1/sessions", token="adapter", json={"channel": "web", "customer_id": "a\0"}
    )
    yield Sent("nul", "in a document's title", path="/v1/documents", token="admin", json=document(title="a\0b"))
    yield Sent("nul", "in a list", path="/v1/documents", token="admin", json=document(acl=["a\0b"]))

    yield says("long", "one byte too many", "a" * (LIMIT + 1))
    yield says("long", "in two-byte letters", "é" * (LIMIT // 2) + "a")
    yield says("long", "in emoji", "🙂" * (LIMIT // 4) + "a")
    yield says("long", "half a megabyte", "a" * 500_000)
    for title, content in (
        ("empty", ""),
        ("spaces", " \t\r\n"),
        ("no-break and em spaces", "\u00a0\u2003\u3000"),
        ("zero-width", "\u200b\u2060\ufeff"),
        ("control characters", "\x01\x1f\x7f"),
        ("direction marks", "\u202e\u2066"),
    ):
        yield says("blank", title, content)
    yield Sent("blank", "no content at all", json={})
    yield Sent(
        "blank",
        "comment",
        path=f"{TICKET}/comments",
        token="agent",
        json={"body": " ", "visibility": 1, "request_id": "b"},
    )


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
    yield get("constraint", "a long page token", f"{MESSAGES}?page_token={'a' * 1025}")

    yield Sent("enum", "unknown name", path=RATE_ANSWER, json={"rating": "RATING_WOW"})
    yield Sent("enum", "unknown number", path=RATE_ANSWER, json={"rating": 77})
    yield Sent("enum", "unspecified", path=RATE_ANSWER, json={"rating": "RATING_UNSPECIFIED"})
    yield get("enum", "filter by name", "/v1/tickets?status=TICKET_STATUS_WOW")
    yield get("enum", "filter by number", "/v1/tickets?status=77")
    yield Sent(
        "enum", "reason", path="/v1/tickets", token="agent", json={"session_id": "$mine", "escalation_reason": 999}
    )
    yield Sent("enum", "status", "PATCH", TICKET, "agent", json={"status": "TICKET_STATUS_WOW"})

    for path in ("/v1/sessions/$name", "/v1/tickets/$name", "/v1/documents/$name", "/v1/cases/$name"):
        for title, name in (("a word", "nope"), ("SQL", "1'%20or%20'1'='1"), ("with braces", "{$nobody}")):
            yield get("malformed_id", f"{title}: {path}", path.replace("$name", name))
    yield says("malformed_id", "message", None, path="/v1/sessions/$mine/messages/7:rate")
    yield get("malformed_id", "as a filter", "/v1/tickets?session_id=7")

    for title, size in (("below 0", "-1"), ("above 200", "201"), ("no number", "x"), ("too wide", "99999999999")):
        yield get("page_size", title, f"{MESSAGES}?page_size={size}")
        yield get("page_size", f"tickets, {title}", f"/v1/tickets?page_size={size}")
    yield get("page_size", "a fraction", "/v1/documents?page_size=1.5")

    yield get("page_token", "made up", f"{MESSAGES}?page_token=zzz")
    yield get("page_token", "not ASCII", f"{MESSAGES}?page_token=%C3%A9")
    yield get("page_token", "JSON", "/v1/tickets?page_token=WyJhIiwxXQ")
    yield get("page_token", "another list's", "/v1/tickets?page_token=$messages_page")
    yield get("page_token", "another conversation's", "/v1/sessions/$theirs/messages?page_token=$messages_page")
    yield get("page_token", "with another filter", "/v1/tickets?queue=general&page_token=$tickets_page")
    yield get("page_token", "of tickets, for documents", "/v1/documents?page_token=$tickets_page")
    yield get("page_token", "of documents, for cases", "/v1/cases?page_token=$documents_page")

    for title, mask in (("unknown", "nope"), ("fixed", "session_id"), ("nested", "evidence_pack.query"), ("all", "*")):
        yield Sent(
            "mask", title, "PATCH", f"{TICKET}?update_mask={mask}", "agent", json={"status": "TICKET_STATUS_PENDING"}
        )
    yield Sent(
        "media_type", "a program", path="/v1/documents", token="admin", json=document(media_type="application/x-elf")
    )


def _transport() -> Iterator[Sent]:
    yield given("body_size", "10 MB", b'{"content": "' + b"a" * 10_000_000 + b'"}')
    yield given("body_size", "just above", b'{"content": "' + b"a" * MIB + b'"}')
    yield Sent("body_size", "without a credential", token=None, body=b"a" * 2_000_000)
    yield get("header_size", "one", "/v1/sessions/$mine", headers={"x-long": "a" * 70_000})
    yield get("http", "identity by `_`", "/v1/tickets", None, headers={"x_auth_role": "admin"})
    yield raw("http", "NUL in a header", "x-a: a\0b\r\n")
    yield raw(
        "http",
        "length and chunks",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        verb="POST",
        body="0\r\n\r\n",
    )
    yield raw("http", "two lengths", "content-length: 5\r\ncontent-length: 6\r\n", verb="POST", body="hello!")
    yield raw("http", "a length below 0", "content-length: -1\r\n", verb="POST")
    yield raw("http", "a space in the path", "", path="/v1/sessions/$mine /x")
    yield raw("http", "a WebSocket", "connection: upgrade\r\nupgrade: websocket\r\n")
    yield Sent("http", "no host", raw="GET /v1/sessions/$mine HTTP/1.1\r\n\r\n")
    yield Sent("http", "noise", raw="\x01\x02\x03\r\n\r\n")
    for title, path in (
        ("slash", "/v1/sessions/$mine%2Fmessages"),
        ("backslash", "/v1/sessions/$mine%5Cmessages"),
        ("NUL", "/v1/sessions/$mine%00"),
        ("above the root", "/v1/%2e%2e%2f%2e%2e%2fetc/passwd"),
    ):
        yield get("path", title, path)
    yield Sent("method", "DELETE of a list", "DELETE", MESSAGES)
    yield Sent("method", "PUT of a ticket", "PUT", TICKET, "agent", json={})
    yield Sent("method", "POST to a read", "POST", "/v1/sessions/$mine", json={})
    yield Sent("method", "TRACE", "TRACE", "/v1/sessions/$mine")
    yield Sent("method", "a stranger's OPTIONS", "OPTIONS", MESSAGES, None, headers={"origin": "https://evil.example"})
    yield get("method", "unknown path", "/v1/secrets")
    yield get("method", "the root", "/")
    yield get("method", "Envoy's own", "/config_dump")
    yield get("method", "a gRPC path without gRPC", "/groundline.ticketing.v1.TicketingService/ListTickets")
    yield raw("method", "above the root", "", path="/v1/sessions/x/../../../etc/passwd")
    yield Sent("method", "an RPC of the mesh without a REST rule", path="/v1/sessions/$mine:advance", json={})


def _things() -> Iterator[Sent]:
    yield get("session", "read", "/v1/sessions/$nobody")
    yield get("session", "list", "/v1/sessions/$nobody/messages")
    yield says("session", "write", "hello", path="/v1/sessions/$nobody/messages", token="adapter")
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
    yield get("ticket", "read", "/v1/tickets/$nobody")
    yield get("ticket", "comments", "/v1/tickets/$nobody/comments")
    yield Sent("ticket", "change", "PATCH", "/v1/tickets/$nobody", "agent", json={"status": "TICKET_STATUS_PENDING"})
    yield Sent(
        "ticket", "comment", path="/v1/tickets/$nobody/comments", token="agent", json={"body": "x", "visibility": 1}
    )
    yield get("attachment", "read", f"{TICKET}/attachments/$nobody/content")
    yield get("document", "read", "/v1/documents/$nobody")
    yield Sent("document", "delete", "DELETE", "/v1/documents/$nobody", "admin")
    yield get("case", "read", "/v1/cases/$nobody")
    yield Sent("case", "approve", path="/v1/cases/$nobody:approve", token="agent", json={})
    yield Sent(
        "base", "conversation", path="/v1/sessions", token=None, json={"channel": "web", "knowledge_base": "nowhere"}
    )
    yield Sent("base", "document", path="/v1/documents", token="admin", json=document(knowledge_base="nowhere"))
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


CASES: tuple[Sent, ...] = (*_shapes(), *_text(), *_constraints(), *_transport(), *callers(), *_things())
