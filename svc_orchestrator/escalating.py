"""Handing a conversation to a person: the event, the status, the notice and the ticket's command, all in one commit."""

from collections.abc import Sequence
from uuid import UUID

from groundline.commands.v1 import commands_pb2
from groundline.conversation.v1 import conversation_pb2
from groundline.evaluation.v1 import evaluation_pb2
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import event_pb2
from groundline.retrieval.v1 import evidence_pb2
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit import outbox
from meshkit.ids import new_id
from meshkit.postgres import Connection
from meshkit.telemetry import counter
from svc_orchestrator import store
from svc_orchestrator.announcing import announce_escalation
from svc_orchestrator.notices import escalation_notice
from svc_orchestrator.store import MessageRow, NewMessage, SessionRow
from svc_orchestrator.summary import summarize

ESCALATIONS = counter("groundline_escalations_total", "Conversations handed to a person, by reason.", ["reason"])

TRANSCRIPT_MESSAGES = 200
# With the pack beside it, a ticket stays well below what one call may carry.
TRANSCRIPT_BYTES = 256 * 1024
# What CreateTicketRequest.summary may hold. A longer one would be refused for good, and the customer be promised a
# person who never hears of them.
SUMMARY_BYTES = 16_384
ROLES = {
    "customer": conversation_pb2.MESSAGE_ROLE_CUSTOMER,
    "assistant": conversation_pb2.MESSAGE_ROLE_ASSISTANT,
    "agent": conversation_pb2.MESSAGE_ROLE_AGENT,
    "system": conversation_pb2.MESSAGE_ROLE_SYSTEM,
}


async def escalate(
    conn: Connection,
    session: SessionRow,
    reason: rc.ReasonCode.ValueType,
    *,
    notice_id: UUID,
    turn: event_pb2.Event | None = None,
    answers_for: Sequence[MessageRow] = (),
    note: str = "",
) -> bool:
    """Hands an open conversation over, in the caller's transaction; False if it is not open any more.

    `answers_for` are the customer's messages that lead to it: they get no other outcome. The ticket's key derives from
    the last of them, so a second run can't make a second ticket.
    """
    last = answers_for[-1] if answers_for else None
    content = escalation_notice(reason)
    notice = NewMessage(notice_id, "system", content, {}, in_reply_to=last.message_id if last else None)
    # The transcript is read before the notice is added: a person needs what was said, not that they were called.
    messages = await store.recent_messages(conn, session, TRANSCRIPT_MESSAGES)
    if await store.append_message(conn, session.session_id, notice, status="open") is None:
        return False
    event = event_pb2.Event(
        event_id=str(new_id()),
        session_id=str(session.session_id),
        type=event_pb2.EVENT_TYPE_ESCALATED,
        escalation=event_pb2.Escalation(
            reason=reason,
            turn_event_id=turn.event_id if turn else "",
            message_id=str(last.message_id) if last else "",
        ),
    )
    await store.insert_event(conn, event)
    await announce_escalation(conn, event)
    name = rc.ReasonCode.Name(reason).removeprefix("REASON_CODE_")
    await store.mark_escalated(conn, session.session_id, name, UUID(event.event_id))
    summary = summarize(messages)
    await store.set_summary(conn, session.session_id, summary)
    await store.mark_handled(conn, [each.message_id for each in answers_for], UUID(event.event_id))
    key = f"ticket:{last.message_id if last else event.event_id}"
    ticket = ticketing_service_pb2.CreateTicketRequest(
        session_id=str(session.session_id),
        escalation_reason=reason,
        priority=ticketing_pb2.TICKET_PRIORITY_NORMAL,
        summary=ticket_summary(summary, note),
        transcript=transcript(messages),
        evidence_pack=_pack(turn),
        refused_draft=_draft(turn),
        verdict=_verdict(turn, reason),
        request_id=key,
        customer_id=session.customer_id or "",
        channel=session.channel,
        knowledge_base=session.knowledge_base,
    )
    await outbox.put(
        conn,
        commands_pb2.CreateTicket(ticket=ticket),
        type="create_ticket",
        key=key,
        ordering_key=session.session_id,
    )
    ESCALATIONS.labels(name).inc()
    return True


def ticket_summary(summary: str, note: str) -> str:
    """The ticket's summary with the customer's own words to it, within SUMMARY_BYTES of UTF-8.

    What doesn't fit is cut from the summary first: it stands in the transcript, too, and the note nowhere else.
    """
    if not note:
        return _within(summary, SUMMARY_BYTES)
    added = _within(f"The customer adds: {note}", SUMMARY_BYTES)
    before = _within(summary, max(0, SUMMARY_BYTES - len(added.encode()) - 1))
    return f"{before}\n{added}" if before else added


def _within(text: str, size: int) -> str:
    """`text` cut to `size` bytes of UTF-8, between characters."""
    return text.encode()[:size].decode(errors="ignore")


def transcript(messages: Sequence[MessageRow]) -> list[ticketing_pb2.TranscriptEntry]:
    """The latest messages that fit into TRANSCRIPT_BYTES, oldest first."""
    entries: list[ticketing_pb2.TranscriptEntry] = []
    size = 0
    for message in reversed(messages):
        size += len(message.content.encode())
        if size > TRANSCRIPT_BYTES:
            break
        entry = ticketing_pb2.TranscriptEntry(
            message_id=str(message.message_id), role=ROLES[message.role], content=message.content
        )
        entry.created_at.FromDatetime(message.created_at)
        entries.append(entry)
    return entries[::-1]


def _pack(turn: event_pb2.Event | None) -> evidence_pb2.EvidencePack | None:
    return turn.turn.evidence_pack if turn and turn.turn.HasField("evidence_pack") else None


def _draft(turn: event_pb2.Event | None) -> evaluation_pb2.Draft | None:
    return turn.turn.draft if turn and turn.turn.HasField("draft") else None


def _verdict(turn: event_pb2.Event | None, reason: rc.ReasonCode.ValueType) -> evaluation_pb2.Verdict:
    if turn is not None and turn.turn.HasField("verdict"):
        return turn.turn.verdict
    return evaluation_pb2.Verdict(decision=evaluation_pb2.DECISION_FAIL, reason=reason)
