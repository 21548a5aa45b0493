"""Who asks over REST without a right to."""

from __future__ import annotations

from collections.abc import Iterator

from .sent import MESSAGES, RATE_ANSWER, TICKET, Sent, document, get, raw, says
from .world import BAD_TOKENS


def callers() -> Iterator[Sent]:
    for name, sent in (
        ("read", get("no_credential", "read", "/v1/sessions/$mine", None)),
        ("write", says("no_credential", "write", "hello", token=None)),
        ("list", get("no_credential", "list", "/v1/tickets", None)),
        ("stream", get("no_credential", "stream", "/v1/sessions/$mine/stream", None)),
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
    yield get("no_credential", "identity by headers", "/v1/tickets", None, headers=spoofed)
    injected = "GET /v1/tickets HTTP/1.1\r\nhost: edge\r\nx-a: b\r\nx-auth-role: admin\r\n\r\n"
    yield Sent("no_credential", "identity by an injected header", raw=injected)

    for name in BAD_TOKENS:
        yield get("credential", name, "/v1/tickets", name)
        yield get(
            "credential", f"{name}, as a cookie", "/v1/tickets", None, headers={"cookie": f"groundline_session=${name}"}
        )
    yield get("credential", "another scheme", "/v1/tickets", None, headers={"authorization": "Basic YWRtaW46YWRtaW4="})
    yield get("credential", "20,000 letters", "/v1/tickets", None, headers={"authorization": f"Bearer {'a' * 20_000}"})
    yield says("credential", "on a method for everybody", None, path="/v1/sessions", token="expired")
    yield raw("credential", "two", "authorization: Bearer $theirs_token\r\n")
    yield Sent(
        "credential",
        "none after the scheme",
        raw="GET /v1/tickets HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer \r\n\r\n",
    )

    yield get("scope", "read", "/v1/sessions/$mine", "theirs_token")
    yield get("scope", "list", MESSAGES, "theirs_token")
    yield get("scope", "stream", "/v1/sessions/$mine/stream", "theirs_token")
    yield says("scope", "write", "hello", token="theirs_token")
    yield Sent("scope", "resolve", path="/v1/sessions/$mine:resolve", token="theirs_token", json={})
    yield Sent("scope", "rate", path=RATE_ANSWER, token="theirs_token", json={"rating": 1})
    yield get("scope", "an unknown session", "/v1/sessions/$nobody", "mine_token")
    yield get("scope", "by cookie", "/v1/sessions/$mine", None, headers={"cookie": "groundline_session=$theirs_token"})
    yield raw("scope", "a header in the path", "", path="/v1/sessions/$mine%0d%0aset-cookie:x")

    yield get("role", "customer lists tickets", "/v1/tickets", "mine_token")
    beside = {"x-auth-role": "admin", "x-groundline-role": "admin"}
    yield get("role", "customer with headers of an admin", "/v1/tickets", "mine_token", headers=beside)
    yield get("role", "customer reads a ticket", TICKET, "mine_token")
    yield Sent(
        "role", "customer resolves a ticket", "PATCH", TICKET, "mine_token", json={"status": "TICKET_STATUS_RESOLVED"}
    )
    yield Sent("role", "customer comments", path=f"{TICKET}/comments", json={"body": "x", "visibility": 1})
    yield get("role", "customer lists documents", "/v1/documents", "mine_token")
    yield Sent("role", "customer searches", path="/v1/evidence:search", json={"query": "x"})
    yield says("role", "agent speaks as the customer", "hello", token="agent")
    yield Sent("role", "agent writes a document", path="/v1/documents", token="agent", json=document())
    yield Sent("role", "agent deletes a document", "DELETE", "/v1/documents/$document", "agent")
    yield get("role", "adapter lists tickets", "/v1/tickets", "adapter")
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
        yield says("origin", title, "hello", token=None, headers=cookie | {"origin": origin})
    yield says("origin", "none", "hello", token=None, headers=cookie)
    yield Sent("origin", "resolve", path="/v1/sessions/$mine:resolve", token=None, json={}, headers=cookie)
