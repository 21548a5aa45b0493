"""The rules of a ticket's life: which status follows which, who assigns to whom, what a comment changes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from groundline.options.v1 import access_pb2
from meshkit.identity import Principal
from svc_ticketing.errors import AssignmentNotAllowed, StatusTransitionInvalid, TicketClosed
from svc_ticketing.model import Author, Priority, Status, Ticket, Visibility

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.OPEN: frozenset({Status.PENDING, Status.RESOLVED}),
    Status.PENDING: frozenset({Status.OPEN, Status.RESOLVED}),
    Status.RESOLVED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CLOSED: frozenset(),
}

# What a comment does to the status; what is not here leaves it.
AFTER_COMMENT: Mapping[tuple[Status, Author, Visibility], Status] = {
    (Status.OPEN, Author.AGENT, Visibility.PUBLIC): Status.PENDING,
    (Status.PENDING, Author.CUSTOMER, Visibility.PUBLIC): Status.OPEN,
    (Status.RESOLVED, Author.CUSTOMER, Visibility.PUBLIC): Status.OPEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New values of a ticket; None leaves one as it is."""

    status: Status | None = None
    priority: Priority | None = None
    tags: tuple[str, ...] | None = None
    assigned_to: str | None = None
    queue: str | None = None
    resolution: str | None = None


def apply(change: Change, ticket: Ticket, by: Principal) -> Ticket:
    """The ticket as it would be. A value that it has already is no change.

    Raises TicketClosed, StatusTransitionInvalid, AssignmentNotAllowed.
    """
    if ticket.status is Status.CLOSED:
        raise TicketClosed(ticket_id=ticket.ticket_id)
    if change.status is not None and change.status is not ticket.status:
        check_transition(ticket.status, change.status)
    if change.assigned_to is not None and change.assigned_to != ticket.assigned_to:
        check_assignment(ticket.assigned_to, change.assigned_to, by)
    return replace(
        ticket,
        status=ticket.status if change.status is None else change.status,
        priority=ticket.priority if change.priority is None else change.priority,
        tags=ticket.tags if change.tags is None else change.tags,
        assigned_to=ticket.assigned_to if change.assigned_to is None else change.assigned_to,
        queue=ticket.queue if change.queue is None else change.queue,
        resolution=ticket.resolution if change.resolution is None else change.resolution,
    )


def check_transition(current: Status, wanted: Status) -> None:
    """Raises StatusTransitionInvalid unless `wanted` may follow `current`."""
    if wanted not in TRANSITIONS[current]:
        # `from` is a keyword of the language, and the metadata's name in the contract.
        names: dict[str, Any] = {"from": current.upper(), "to": wanted.upper()}
        raise StatusTransitionInvalid(**names)


def check_assignment(current: str, wanted: str, by: Principal) -> None:
    """An agent takes a ticket or gives back their own; others assign freely. Raises AssignmentNotAllowed."""
    if by.role != access_pb2.ROLE_AGENT:
        return
    gives_back_own = wanted == "" and current == by.subject
    if wanted != by.subject and not gives_back_own:
        raise AssignmentNotAllowed(assigned_to=wanted)


def after_comment(status: Status, author: Author, visibility: Visibility) -> Status:
    """The status once a comment is there."""
    return AFTER_COMMENT.get((status, author, visibility), status)
