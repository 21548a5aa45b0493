"""Every pair of statuses, every kind of comment, every way to assign."""

from datetime import UTC, datetime
from itertools import product

import pytest

from groundline.options.v1 import access_pb2
from meshkit.identity import Principal
from meshkit.ids import new_id
from svc_ticketing import lifecycle
from svc_ticketing.errors import AssignmentNotAllowed, StatusTransitionInvalid, TicketClosed
from svc_ticketing.lifecycle import Change
from svc_ticketing.model import Author, Priority, Status, Ticket, Visibility

AGENT = Principal(access_pb2.ROLE_AGENT, "ada")
SUPERVISOR = Principal(access_pb2.ROLE_SUPERVISOR, "sue")
SERVICE = Principal(access_pb2.ROLE_SERVICE, "worker-delivery")

ALLOWED = {
    ("open", "pending"),
    ("open", "resolved"),
    ("pending", "open"),
    ("pending", "resolved"),
    ("resolved", "open"),
    ("resolved", "closed"),
}


def ticket(status: Status = Status.OPEN, assigned_to: str = "") -> Ticket:
    now = datetime.now(UTC)
    return Ticket(
        ticket_id=new_id(),
        session_id=new_id(),
        status=status,
        priority=Priority.NORMAL,
        tags=(),
        assigned_to=assigned_to,
        queue="general",
        escalation_reason="NO_EVIDENCE",
        ai_confidence=0.0,
        summary="",
        resolution="",
        customer_id="",
        channel="",
        knowledge_base="",
        revision=1,
        created_at=now,
        updated_at=now,
        opened_at=now,
        resolved_at=None,
    )


@pytest.mark.parametrize(("current", "wanted"), list(product(Status, Status)))
def test_every_pair_of_statuses(current: Status, wanted: Status) -> None:
    before = ticket(current)
    if current is Status.CLOSED:
        with pytest.raises(TicketClosed):
            lifecycle.apply(Change(status=wanted), before, AGENT)
    elif current is wanted:
        assert lifecycle.apply(Change(status=wanted), before, AGENT) == before
    elif (current.value, wanted.value) in ALLOWED:
        assert lifecycle.apply(Change(status=wanted), before, AGENT).status is wanted
    else:
        with pytest.raises(StatusTransitionInvalid) as refused:
            lifecycle.apply(Change(status=wanted), before, AGENT)
        assert refused.value.metadata == {"from": current.name, "to": wanted.name}


@pytest.mark.parametrize(("status", "author", "visibility"), list(product(Status, Author, Visibility)))
def test_what_each_comment_does_to_the_status(status: Status, author: Author, visibility: Visibility) -> None:
    expected = {
        ("open", "agent", "public"): Status.PENDING,
        ("pending", "customer", "public"): Status.OPEN,
        ("resolved", "customer", "public"): Status.OPEN,
    }.get((status.value, author.value, visibility.value), status)
    assert lifecycle.after_comment(status, author, visibility) is expected


@pytest.mark.parametrize(
    ("current", "wanted", "by", "allowed"),
    [
        ("", "ada", AGENT, True),
        ("bob", "ada", AGENT, True),
        ("ada", "", AGENT, True),
        ("", "bob", AGENT, False),
        ("ada", "bob", AGENT, False),
        ("bob", "", AGENT, False),
        ("bob", "bob", AGENT, True),
        ("bob", "", SUPERVISOR, True),
        ("ada", "bob", SUPERVISOR, True),
        ("", "bob", SERVICE, True),
    ],
)
def test_who_assigns_to_whom(current: str, wanted: str, by: Principal, allowed: bool) -> None:
    change, before = Change(assigned_to=wanted), ticket(assigned_to=current)
    if allowed:
        assert lifecycle.apply(change, before, by).assigned_to == wanted
    else:
        with pytest.raises(AssignmentNotAllowed) as refused:
            lifecycle.apply(change, before, by)
        assert refused.value.metadata == {"assigned_to": wanted}


def test_a_change_of_nothing_is_no_change() -> None:
    before = ticket()
    assert lifecycle.apply(Change(), before, AGENT) == before
