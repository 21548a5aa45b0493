"""Masks, defaults, and messages that come back as they went."""

import math

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from groundline.evaluation.v1 import reason_code_pb2 as reason_codes
from groundline.options.v1 import access_pb2
from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from meshkit.errors import InvalidRequest, RequestIdReused
from meshkit.identity import Principal
from meshkit.ids import new_id
from svc_ticketing import translation
from svc_ticketing.errors import FieldNotUpdatable
from svc_ticketing.lifecycle import Change
from svc_ticketing.model import Priority, Status
from svc_ticketing.repeatable import RequestKey

AGENT = Principal(access_pb2.ROLE_AGENT, "ada")
SERVICE = Principal(access_pb2.ROLE_SERVICE, "worker-delivery")


def update(ticket: pb.Ticket, *paths: str) -> service_pb.UpdateTicketRequest:
    mask = FieldMask(paths=paths) if paths else None
    return service_pb.UpdateTicketRequest(ticket_id=str(new_id()), ticket=ticket, update_mask=mask)


def test_without_a_mask_only_what_is_given_changes() -> None:
    given = pb.Ticket(status=pb.TICKET_STATUS_PENDING, tags=["a", "b", "a"], summary="not ours to take", etag="7")
    assert translation.change_of(update(given)) == Change(status=Status.PENDING, tags=("a", "b"))


def test_with_a_mask_defaults_are_taken_too() -> None:
    change = translation.change_of(update(pb.Ticket(), "priority", "tags", "assigned_to", "queue", "resolution"))
    assert change == Change(priority=Priority.NORMAL, tags=(), assigned_to="", queue="general", resolution="")


@pytest.mark.parametrize("path", ["summary", "etag", "ticket_id", "escalation_reason", "*", "nonsense", "tags.x"])
def test_only_six_fields_can_be_changed(path: str) -> None:
    with pytest.raises(FieldNotUpdatable) as refused:
        translation.change_of(update(pb.Ticket(), "tags", path))
    assert refused.value.metadata == {"path": path}


def test_a_status_that_is_named_must_be_given() -> None:
    with pytest.raises(InvalidRequest) as refused:
        translation.change_of(update(pb.Ticket(), "status"))
    assert [each.field for each in refused.value.violations] == ["ticket.status"]


def test_only_a_person_needs_no_reason() -> None:
    request = service_pb.CreateTicketRequest(session_id=str(new_id()))
    assert translation.new_ticket(request, AGENT).escalation_reason == "AGENT_TAKEOVER"
    with pytest.raises(InvalidRequest):
        translation.new_ticket(request, SERVICE)


def test_only_services_say_whose_conversation_it_is() -> None:
    request = service_pb.CreateTicketRequest(
        session_id=str(new_id()),
        escalation_reason=reason_codes.REASON_CODE_NO_EVIDENCE,
        customer_id="c",
        channel="web",
        knowledge_base="default",
    )
    trusted, claimed = (translation.new_ticket(request, by) for by in (SERVICE, AGENT))
    assert (trusted.customer_id, trusted.channel, trusted.knowledge_base) == ("c", "web", "default")
    assert (claimed.customer_id, claimed.channel, claimed.knowledge_base) == ("", "", "")


@pytest.mark.parametrize(("said", "kept"), [(math.nan, 0.0), (math.inf, 0.0), (-1.0, 0.0), (0.4, 0.4), (7.0, 1.0)])
def test_confidence_is_between_0_and_1(said: float, kept: float) -> None:
    request = service_pb.CreateTicketRequest(
        session_id=str(new_id()), escalation_reason=reason_codes.REASON_CODE_NO_EVIDENCE
    )
    request.verdict.confidence = said
    assert translation.new_ticket(request, SERVICE).ai_confidence == kept


def test_a_request_key_tells_callers_and_bodies_apart() -> None:
    request = service_pb.CreateCommentRequest(ticket_id=str(new_id()), body="a", request_id="r")
    assert RequestKey.of(request, "", AGENT) is None
    first, second = RequestKey.of(request, "r", AGENT), RequestKey.of(request, "r", SERVICE)
    assert first is not None
    assert second is not None
    assert first.owner == "agent:ada"
    assert second.owner == "service:worker-delivery"
    first.check(second.sha256)
    request.body = "b"
    other = RequestKey.of(request, "r", AGENT)
    assert other is not None
    with pytest.raises(RequestIdReused):
        first.check(other.sha256)
