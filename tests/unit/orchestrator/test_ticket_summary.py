"""The summary of an escalation's ticket: whatever a customer may write, the ticket is not refused for its length."""

import protovalidate
import pytest

from groundline.ticketing.v1 import ticketing_service_pb2
from svc_orchestrator.escalating import SUMMARY_BYTES, ticket_summary
from svc_orchestrator.summary import MAX_LINE_CHARS, MAX_LINES

# The longest note that EscalateSession lets through, and more summary than summarize() makes.
NOTE_CHARS = 4096
SUMMARY = "\n".join(["客" * MAX_LINE_CHARS] * (MAX_LINES + 1))


@pytest.mark.parametrize("letter", ["a", "é", "客", "\N{GRINNING FACE}"])
def test_the_longest_note_and_summary_are_accepted_by_ticketing(letter: str) -> None:
    together = ticket_summary(SUMMARY, letter * NOTE_CHARS)
    request = ticketing_service_pb2.CreateTicketRequest(summary=together)
    refused = [str(each.proto) for each in protovalidate.collect_violations(request) if "summary" in str(each.proto)]
    assert not refused
    assert len(together.encode()) <= SUMMARY_BYTES


def test_the_note_is_kept_rather_than_the_summary() -> None:
    note = "客" * NOTE_CHARS
    assert ticket_summary(SUMMARY, note).endswith(f"The customer adds: {note}")


def test_what_fits_is_kept_whole() -> None:
    assert ticket_summary("Customer: help", "please hurry") == "Customer: help\nThe customer adds: please hurry"
    assert ticket_summary("", "please hurry") == "The customer adds: please hurry"
    assert ticket_summary("Customer: help", "") == "Customer: help"
