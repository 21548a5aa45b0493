"""What is sent over gRPC, and what kind of refusal it must meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .sent import LIMIT, MIB
from .world import BAD_TOKENS

SERVICES = {
    "conversation": "groundline.conversation.v1.ConversationService",
    "ticketing": "groundline.ticketing.v1.TicketingService",
    "knowledge": "groundline.knowledge.v1.KnowledgeService",
    "orchestration": "groundline.orchestration.v1.OrchestrationService",
    "retrieval": "groundline.retrieval.v1.RetrievalService",
    "evaluation": "groundline.evaluation.v1.EvaluationService",
    "commands": "groundline.commands.v1.CommandService",
}


@dataclass(frozen=True)
class Called:
    """One call. `fields` are the request's, by name, with the world's `$names`; `raw` is sent in place of them."""

    kind: str
    title: str
    method: str
    fields: dict[str, Any] = field(default_factory=dict)
    token: str | None = "mine_token"
    raw: bytes | None = None
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    past_the_edge: bool = False
    """Sent to the service's own port: what the edge refuses, it must refuse too."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}{', past the edge' if self.past_the_edge else ''}"

    @property
    def path(self) -> str:
        """The RPC's path."""
        service, _, name = self.method.partition(".")
        return f"/{SERVICES[service]}/{name}"


POST = "conversation.PostMessage"


def _says(kind: str, title: str, content: str, **more: Any) -> Called:
    return Called(kind, title, POST, {"session_id": "$mine", "content": content}, **more)


def _bytes(kind: str, title: str, raw: bytes, method: str = POST, token: str | None = "mine_token") -> Called:
    return Called(kind, title, method, token=token, raw=raw)


def _agent(kind: str, title: str, method: str, token: str = "agent", **fields: Any) -> Called:
    return Called(kind, title, method, fields, token)


def _content(text: bytes) -> bytes:
    """A PostMessageRequest's field `content`, whatever the bytes."""
    return b"\x12" + bytes([len(text)]) + text


def _shapes() -> Iterator[Called]:
    yield _bytes("bytes", "noise", b"\xff\xff\xff")
    yield _bytes("bytes", "cut off", b"\x12\x10ab")
    yield _bytes("bytes", "JSON", b'{"content": "hello"}')
    yield _bytes("bytes", "groups that don't end", b"\x0b" * 200)
    yield _bytes("bytes", "a length beyond the end", b"\x12\xff\xff\xff\xff\x0f")
    yield _bytes("bytes", "at a stream", b"\xff", "conversation.WatchSession")
    yield _bytes("bytes", "at tickets", b"\xff", "ticketing.ListTickets", "agent")
    for title, text in (
        ("stray bytes", b"a\xff\xfeb"),
        ("a surrogate", b"a\xed\xa0\x80b"),
        ("an overlong slash", b"a\xc0\xafb"),
        ("cut off", b"a\xe2\x82"),
        ("Latin-1", "für".encode("latin-1")),
    ):
        yield _bytes("utf8", title, _content(text))
    yield _bytes("utf8", "in an id", b"\x0a\x02\xff\xfe", "ticketing.GetTicket", "agent")
    yield _says("nul", "message", "a\0b")
    yield _agent("nul", "comment", "ticketing.CreateComment", ticket_id="$theirs_ticket", body="a\0", visibility=1)
    yield _agent("nul", "summary of a ticket", "ticketing.CreateTicket", session_id="$mine", summary="a\0")
    yield _agent(
        "nul", "deep inside", "ticketing.CreateTicket", session_id="$mine", transcript=[{"role": 1, "content": "a\0"}]
    )

    yield _says("long", "one byte too many", "a" * (LIMIT + 1))
    yield _says("long", "in two-byte letters", "é" * (LIMIT // 2) + "a")
    for title, content in (
        ("empty", ""),
        ("spaces", " \t\r\n"),
        ("no-break and em spaces", "\u00a0\u2003\u3000"),
        ("zero-width", "\u200b\ufeff"),
    ):
        yield _says("blank", title, content)
    yield Called("constraint", "request id", POST, {"session_id": "$mine", "content": "x", "request_id": "a b"})
    yield Called("constraint", "event id", "conversation.WatchSession", {"session_id": "$mine", "after_event_id": "x"})
    yield Called("constraint", "channel", "conversation.CreateSession", {"channel": "WEB"}, None)
    yield _agent("constraint", "no ticket", "ticketing.UpdateTicket", ticket_id="$theirs_ticket")
    yield Called(
        "enum", "rating", "conversation.RateMessage", {"session_id": "$mine", "message_id": "$answer", "rating": 77}
    )
    yield _agent("enum", "status", "ticketing.ListTickets", status=77)
    yield _agent("enum", "reason", "ticketing.CreateTicket", session_id="$mine", escalation_reason=999)
    yield _agent("malformed_id", "session", "conversation.GetSession", session_id="nope")
    yield _agent("malformed_id", "stream", "conversation.WatchSession", session_id="nope")
    yield _agent("malformed_id", "ticket", "ticketing.GetTicket", ticket_id="1' or '1'='1")
    yield _agent("malformed_id", "document", "knowledge.GetDocument", doc_id="{$nobody}")
    for title, size in (("below 0", -1), ("above 200", 201), ("the widest", 2**31 - 1)):
        yield Called("page_size", title, "conversation.ListMessages", {"session_id": "$mine", "page_size": size})
        yield _agent("page_size", f"tickets, {title}", "ticketing.ListTickets", page_size=size)
    yield Called("page_token", "made up", "conversation.ListMessages", {"session_id": "$mine", "page_token": "zzz"})
    yield _agent("page_token", "another list's", "ticketing.ListTickets", page_token="$messages_page")
    yield _agent("page_token", "with another filter", "ticketing.ListTickets", page_token="$tickets_page", status=1)
    yield _agent(
        "page_token",
        "another conversation's",
        "conversation.ListMessages",
        session_id="$theirs",
        page_token="$messages_page",
    )
    for title, mask in (("unknown", "nope"), ("fixed", "sessionId"), ("all", "*")):
        yield _agent(
            "mask", title, "ticketing.UpdateTicket", ticket_id="$theirs_ticket", ticket={"status": 2}, update_mask=mask
        )
    yield _agent(
        "media_type",
        "a program",
        "knowledge.CreateDocument",
        "admin",
        uri="x",
        media_type="application/x-elf",
        content="eA==",
    )
    yield _says("body_size", "1 MiB", "a" * MIB)
    yield _says("body_size", "5 MiB", "a" * (5 * MIB))
    yield _says("body_size", "10 MB", "a" * 10_000_000)
    yield _agent(
        "body_size",
        "document",
        "knowledge.CreateDocument",
        "admin",
        uri="x",
        media_type="text/plain",
        content="eHh4" * MIB,
    )
    yield Called("method", "unknown method", "conversation.DropAll")
    yield Called("method", "unknown method, as an admin", "ticketing.DropAll", token="admin")


def _callers() -> Iterator[Called]:
    for method, fields in (
        ("conversation.GetSession", {"session_id": "$mine"}),
        ("conversation.WatchSession", {"session_id": "$mine"}),
        ("ticketing.ListTickets", {}),
        ("orchestration.AdvanceSession", {"session_id": "$mine"}),
        ("evaluation.Evaluate", {}),
        ("retrieval.SearchEvidence", {"query": "x"}),
        ("commands.ListCommands", {}),
    ):
        yield Called("no_credential", method, method, fields, None)
    spoofed = (
        ("x-auth-role", "admin"),
        ("x-groundline-principal", "admin"),
        ("x-auth-claims-bin", b"\x08\x05"),
        ("x-forwarded-for", "127.0.0.1"),
    )
    yield Called("no_credential", "identity by metadata", "ticketing.ListTickets", {}, None, metadata=spoofed)
    yield Called(
        "no_credential", "identity by metadata", "ticketing.ListTickets", {}, None, metadata=spoofed, past_the_edge=True
    )
    for name in BAD_TOKENS:
        yield Called("credential", name, "ticketing.ListTickets", {}, name)
        # Nothing relies on the edge: whoever reaches a service's own port is held to the same.
        yield Called("credential", name, "ticketing.ListTickets", {}, name, past_the_edge=True)
    basic = (("authorization", "Basic YWRtaW46YWRtaW4="),)
    yield Called("credential", "another scheme", "ticketing.ListTickets", {}, None, metadata=basic)
    yield Called("credential", "at a stream", "conversation.WatchSession", {"session_id": "$mine"}, "expired")
    yield Called("credential", "on a method for everybody", "conversation.CreateSession", {"channel": "web"}, "expired")

    yield Called("scope", "read", "conversation.GetSession", {"session_id": "$mine"}, "theirs_token")
    yield Called("scope", "stream", "conversation.WatchSession", {"session_id": "$mine"}, "theirs_token")
    yield _says("scope", "write", "hello", token="theirs_token")
    yield Called("scope", "an unknown session", "conversation.GetSession", {"session_id": "$nobody"})
    yield Called("scope", "no session", "conversation.GetSession")
    yield Called("scope", "another notation of one's own", "conversation.GetSession", {"session_id": "{$mine}"})
    yield Called("role", "customer lists tickets", "ticketing.ListTickets")
    yield Called("role", "customer advances a turn", "orchestration.AdvanceSession", {"session_id": "$mine"})
    yield Called("role", "agent advances a turn", "orchestration.AdvanceSession", {"session_id": "$mine"}, "agent")
    yield _says("role", "agent speaks as the customer", "hello", token="agent")
    yield Called("role", "agent records a case", "knowledge.RecordCase", {"session_id": "$mine"}, "agent")
    yield Called("role", "adapter redrives commands", "commands.RedriveCommand", {}, "adapter")
    groups = {"channel": "web", "customer_groups": ["group:agents"]}
    yield Called("groups", "anybody", "conversation.CreateSession", groups, None)
    yield Called("groups", "an agent", "conversation.CreateSession", groups, "agent")
    yield _agent(
        "assign", "to a colleague", "ticketing.UpdateTicket", ticket_id="$theirs_ticket", ticket={"assigned_to": "x"}
    )


def _things() -> Iterator[Called]:
    yield _agent("session", "read", "conversation.GetSession", session_id="$nobody")
    yield _agent("session", "stream", "conversation.WatchSession", session_id="$nobody")
    yield _agent("session", "write", POST, "adapter", session_id="$nobody", content="hello")
    yield _agent("session", "ticket for it", "ticketing.CreateTicket", session_id="$nobody")
    yield Called(
        "message", "rate", "conversation.RateMessage", {"session_id": "$mine", "message_id": "$nobody", "rating": 1}
    )
    yield _agent("ticket", "read", "ticketing.GetTicket", ticket_id="$nobody")
    yield _agent("ticket", "comment", "ticketing.CreateComment", ticket_id="$nobody", body="x", visibility=1)
    yield _agent(
        "attachment", "read", "ticketing.DownloadAttachment", ticket_id="$theirs_ticket", attachment_id="$nobody"
    )
    yield _agent("document", "read", "knowledge.GetDocument", doc_id="$nobody")
    yield _agent("document", "delete", "knowledge.DeleteDocument", "admin", doc_id="$nobody")
    yield _agent("case", "approve", "knowledge.ApproveCase", case_id="$nobody")
    yield Called(
        "base", "conversation", "conversation.CreateSession", {"channel": "web", "knowledge_base": "nowhere"}, None
    )
    yield _agent("base_exists", "default", "knowledge.CreateKnowledgeBase", "admin", name="default")
    yield Called("reused", "message", POST, {"session_id": "$mine", "content": "else", "request_id": "$request"})
    yield _agent(
        "reused",
        "comment",
        "ticketing.CreateComment",
        ticket_id="$theirs_ticket",
        body="else",
        visibility="COMMENT_VISIBILITY_INTERNAL",
        request_id="$request",
    )
    yield _agent("second_ticket", "by hand", "ticketing.CreateTicket", session_id="$theirs")
    yield _agent(
        "etag", "stale", "ticketing.UpdateTicket", ticket_id="$theirs_ticket", ticket={"status": 2, "etag": "stale"}
    )
    yield Called(
        "rateable",
        "own question",
        "conversation.RateMessage",
        {"session_id": "$mine", "message_id": "$question", "rating": 1},
    )


CASES: tuple[Called, ...] = (*_shapes(), *_callers(), *_things())
