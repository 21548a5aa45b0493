"""Commits what a turn came to, under its lease: all of it, or nothing."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from google.protobuf import json_format

from groundline.conversation.v1 import conversation_pb2
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import event_pb2
from groundline.retrieval.v1 import evidence_pb2
from meshkit import failpoints, outbox
from meshkit.ids import new_id
from meshkit.postgres import Connection, Database
from meshkit.telemetry import counter
from svc_orchestrator import store
from svc_orchestrator.announcing import announce_answer
from svc_orchestrator.answering import to_text
from svc_orchestrator.errors import LeaseLost
from svc_orchestrator.escalating import escalate
from svc_orchestrator.notices import CLARIFYING_QUESTION, SMALL_TALK, clarifying_question
from svc_orchestrator.store import Lease, MessageRow, NewMessage, SessionRow
from svc_orchestrator.summary import summarize
from svc_orchestrator.turn import TurnResult

TURNS = counter("groundline_turns_total", "Turns that were committed, by outcome.", ["outcome"])
VERDICTS = counter("groundline_verdicts_total", "The gate's verdicts, by reason; PASS for a pass.", ["reason"])

SUMMARY_MESSAGES = 12
MAX_QUOTE_CHARS = 600
_TIMED_STAGES = ("capture", "understanding", "retrieval", "model", "second_opinion", "evaluation", "commit", "overhead")


async def commit_turn(
    database: Database, lease: Lease, session: SessionRow, burst: Sequence[MessageRow], result: TurnResult, began: float
) -> bool:
    """Writes the outcome of a turn that began at `began` (time.perf_counter).

    Returns False, having changed nothing, if a person took the conversation over meanwhile. Raises LeaseLost, having
    changed nothing, if another worker holds the session by now.
    """
    committing = time.perf_counter()
    response_id = new_id()
    event = event_pb2.Event(
        event_id=str(new_id()), session_id=str(session.session_id), type=event_pb2.EVENT_TYPE_TURN, turn=result.record
    )
    event.turn.response_message_id = str(response_id)
    async with database.transaction() as conn:
        if not await store.hold_lease(conn, lease):
            raise LeaseLost()
        if result.reason != rc.REASON_CODE_UNSPECIFIED:
            escalated = await escalate(
                conn, session, result.reason, notice_id=response_id, turn=event, answers_for=burst
            )
            if not escalated:
                return False
        else:
            message = _response(response_id, burst, result)
            if await store.append_message(conn, session.session_id, message, status="open") is None:
                return False
            await store.mark_handled(conn, [each.message_id for each in burst], UUID(event.event_id))
            if result.draft is not None:
                await announce_answer(conn, event, message)
            recent = await store.recent_messages(conn, session, SUMMARY_MESSAGES)
            await store.set_summary(conn, session.session_id, summarize(recent))
        await complete_advances(conn, burst)
        _add_timings(event.turn, result, committing, began)
        await store.insert_event(conn, event)
        await store.notify_session(conn, session.session_id)
        if failpoints.ON:
            await failpoints.reach("orchestrator.turn.before_commit")
    if failpoints.ON:
        await failpoints.reach("orchestrator.turn.committed")
    _count(result)
    return True


async def complete_advances(conn: Connection, burst: Sequence[MessageRow]) -> None:
    """The commands that were written with these messages have had their effect."""
    await outbox.complete_keys(conn, [f"advance:{each.message_id}" for each in burst])


def _response(message_id: UUID, burst: Sequence[MessageRow], result: TurnResult) -> NewMessage:
    in_reply_to = burst[-1].message_id
    if result.clarification is not None:
        asked = clarifying_question(result.clarification)
        return NewMessage(message_id, "system", asked, {"kind": CLARIFYING_QUESTION}, in_reply_to=in_reply_to)
    if result.draft is None:
        return NewMessage(message_id, "system", SMALL_TALK, {}, in_reply_to=in_reply_to)
    text, spans = to_text(result.draft)
    by_id = {each.chunk_id: each for each in result.record.evidence_pack.evidence}
    citations = [
        _cite(by_id[citation.chunk_id], citation.start, citation.end, start, end)
        for claim, (start, end) in zip(result.draft.claims, spans, strict=True)
        for citation in claim.citations
    ]
    return NewMessage(message_id, "assistant", text, {"citations": citations}, in_reply_to=in_reply_to)


def _cite(
    evidence: evidence_pb2.Evidence, start: int, end: int, content_start: int, content_end: int
) -> dict[str, Any]:
    """A citation as the chain stores it: the fields of groundline.conversation.v1.MessageCitation."""
    citation = conversation_pb2.MessageCitation(
        chunk_id=evidence.chunk_id,
        doc_id=evidence.doc_id,
        doc_uri=evidence.doc_uri,
        title=evidence.title,
        quote=evidence.text[start:end][:MAX_QUOTE_CHARS],
        content_start=content_start,
        content_end=content_end,
    )
    return json_format.MessageToDict(citation, preserving_proto_field_name=True)


def _add_timings(turn: event_pb2.Turn, result: TurnResult, committing: float, began: float) -> None:
    # Of the commit itself, what has run up to the writing of this event.
    now = time.perf_counter()
    result.timings["commit"] = now - committing
    named = sum(spent for name, spent in result.timings.items() if name != "capture")
    result.timings["overhead"] = max(0.0, now - began - named)
    for name in _TIMED_STAGES:
        if name in result.timings:
            turn.timings.add(stage=name, duration_ms=result.timings[name] * 1000)


def _count(result: TurnResult) -> None:
    if result.reason != rc.REASON_CODE_UNSPECIFIED:
        name = rc.ReasonCode.Name(result.reason).removeprefix("REASON_CODE_")
        TURNS.labels("escalated").inc()
        VERDICTS.labels(name).inc()
    elif result.clarification is not None:
        TURNS.labels("asked_back").inc()
    elif result.draft is None:
        TURNS.labels("noticed").inc()
    else:
        TURNS.labels("answered").inc()
        VERDICTS.labels("PASS").inc()
