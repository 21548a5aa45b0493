"""The checker itself: what it calls right, and what it calls each kind of wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from .checker import Verdict, check
from .evidence import Evidence, Happened, Noted, Opened, Said
from .ledger import Entry, Ledger

AT = datetime(2026, 1, 1, tzinfo=UTC)
S = "session"


def said(
    message_id: str, sequence: int, role: str, content: str, reply: str | None = None, comment: str | None = None
) -> Said:
    return Said(message_id, S, sequence, role, content, reply, comment, AT)


def turn(event_id: str, response: str, *asked: str) -> Happened:
    record = {"customer_message_ids": list(asked), "response_message_id": response}
    return Happened(S, "turn", {"event_id": event_id, "turn": record}, AT)


def escalated(turn_id: str, message_id: str) -> Happened:
    return Happened(S, "escalated", {"escalation": {"turn_event_id": turn_id, "message_id": message_id}}, AT)


def entry(kind: str, ref: str, content: str) -> Entry:
    return Entry(kind, S, f"request-{ref}", ref, content, 0.0)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A question answered, a burst handed over, a comment mirrored, an agent's reply, a resolution."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.opened(S)
    for each in (
        entry("post", "q1", "what?"),
        entry("post", "q2", "a person"),
        entry("post", "q3", "please"),
        entry("post", "q4", "still there"),
        entry("reply", "c1", "coming"),
        entry("resolve", "t1", "done"),
        entry("document", "d1", "2"),
    ):
        ledger.acknowledged(each)
    return ledger


@pytest.fixture
def evidence() -> Evidence:
    resolution = Happened(S, "resolved", {"resolution": {"ticket_id": "t1"}}, AT)
    return Evidence(
        sessions={S: "t1"},
        messages=[
            said("q1", 1, "customer", "what?"),
            said("a1", 2, "assistant", "that", "q1"),
            said("q2", 3, "customer", "a person"),
            said("q3", 4, "customer", "please"),
            said("n1", 5, "system", "somebody will come", "q3"),
            said("q4", 6, "customer", "still there"),
            said("r1", 7, "agent", "coming", comment="c1"),
        ],
        events=[turn("e1", "a1", "q1"), turn("e2", "n1", "q2", "q3"), escalated("e2", "q3"), resolution],
        tickets=[Opened("t1", S, "resolved", "ticket:q3", ("q1", "a1", "q2", "q3"))],
        comments=[
            Noted("m1", "t1", "customer", "still there", "q4", AT),
            Noted("c1", "t1", "agent", "coming", None, AT),
        ],
        cases=["t1"],
        documents={"d1": (2, 2, 3, 3)},
    )


def test_all_as_promised(ledger: Ledger, evidence: Evidence) -> None:
    assert check(ledger, evidence).findings == []
    assert check(Ledger.read(ledger.path), evidence) == Verdict(operations=7, waits_s=[0.0] * 5)


Change = Callable[[Evidence], object]
WRONG: list[tuple[str, str, Change]] = [
    ("lost", "a message", lambda e: e.messages.pop(0)),
    ("duplicated", "a message", lambda e: e.messages.append(said("q9", 9, "customer", "what?"))),
    ("lost", "a reply", lambda e: e.messages.pop(1)),
    ("duplicated", "a reply", lambda e: e.messages.append(said("a2", 8, "assistant", "that", "q1"))),
    ("lost", "a turn", lambda e: e.events.pop(0)),
    ("duplicated", "a turn", lambda e: e.events.append(turn("e9", "a1", "q1"))),
    ("lost", "a ticket", lambda e: e.tickets.pop()),
    ("duplicated", "a ticket", lambda e: e.tickets.append(replace(e.tickets[0], ticket_id="t2"))),
    ("duplicated", "two open tickets", lambda e: e.tickets.extend([_open(e, "t2"), _open(e, "t3")])),
    ("lost", "what a ticket shows", lambda e: e.tickets.append(replace(e.tickets.pop(), transcript=("q1", "a1")))),
    ("lost", "the tie to the ticket", lambda e: e.sessions.update({S: None})),
    ("lost", "a comment", lambda e: e.comments.pop(0)),
    ("duplicated", "a comment", lambda e: e.comments.append(replace(e.comments[0], comment_id="m2"))),
    ("unexplained", "another's comment", lambda e: e.comments.append(replace(e.comments.pop(0), body="else"))),
    ("lost", "an agent's words", lambda e: e.messages.pop(6)),
    ("duplicated", "an agent's words", lambda e: e.messages.append(said("r2", 8, "agent", "coming"))),
    ("lost", "a resolution", lambda e: e.events.pop()),
    ("lost", "a case", lambda e: e.cases.clear()),
    ("duplicated", "a case", lambda e: e.cases.append("t1")),
    ("lost", "a document's version", lambda e: e.documents.update(d1=(2, 1, 3, 3))),
    ("lost", "a passage", lambda e: e.documents.update(d1=(2, 2, 3, 2))),
    ("duplicated", "a passage", lambda e: e.documents.update(d1=(2, 2, 3, 4))),
    ("lost", "a conversation", lambda e: e.sessions.clear()),
    ("unexplained", "words without a turn", lambda e: e.messages.append(said("x", 8, "system", "hm"))),
    ("unexplained", "a command that is not done", lambda e: e.unfinished.append("pending create_ticket")),
]


def _open(evidence: Evidence, ticket_id: str) -> Opened:
    return replace(evidence.tickets[0], ticket_id=ticket_id, status="open")


@pytest.mark.parametrize(("kind", "what", "change"), WRONG, ids=[f"{kind}: {what}" for kind, what, _ in WRONG])
def test_each_wrong_is_named(ledger: Ledger, evidence: Evidence, kind: str, what: str, change: Change) -> None:
    change(evidence)
    assert kind in {each.kind for each in check(ledger, evidence).findings}


def test_comments_out_of_order(ledger: Ledger, evidence: Evidence) -> None:
    evidence.messages.append(said("q5", 8, "customer", "later"))
    evidence.comments.insert(0, Noted("m0", "t1", "customer", "later", "q5", AT))
    assert [each.what for each in check(ledger, evidence).findings] == ["comments out of order on ticket t1"]
