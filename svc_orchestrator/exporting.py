"""Past turns as material for an offline evaluation set, redacted before anything leaves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from groundline.commands.v1 import audit_service_pb2 as audit_pb
from groundline.conversation.v1 import conversation_pb2
from groundline.orchestration.v1 import turn_export_pb2 as pb
from groundline.retrieval.v1 import evidence_pb2
from meshkit import audit
from meshkit.ids import new_id
from meshkit.postgres import Database
from meshkit.text.redaction import redact
from svc_orchestrator import export_store as store
from svc_orchestrator.escalating import ROLES
from svc_orchestrator.export_store import MessageAround, Milestone, TurnRow

PAGE = 10
MOST = 10_000
"""Turns of an export that does not say how many."""
_ACTION = audit_pb.AuditAction.Name(audit_pb.AUDIT_ACTION_TURNS_EXPORTED).removeprefix("AUDIT_ACTION_").lower()
_RATINGS = {
    "": conversation_pb2.RATING_UNSPECIFIED,
    "helpful": conversation_pb2.RATING_HELPFUL,
    "not_helpful": conversation_pb2.RATING_NOT_HELPFUL,
}

Cursor = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Range:
    """Which turns: of a knowledge base, from `since` (None: the first) to before `until`, at most `most`."""

    knowledge_base: str
    since: datetime | None
    until: datetime
    most: int

    def __str__(self) -> str:
        since = _stamp(self.since) if self.since else "the beginning"
        return f"knowledge base {self.knowledge_base}, from {since} to {_stamp(self.until)}, at most {self.most} turns"


class TurnExport:
    """Reads turns for export. Nothing is held between two pages, so that a slow reader costs no connection."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def begin(self, span: Range, *, continued: bool) -> UUID:
        """Writes the export into the audit trail and returns its id."""
        export_id = new_id()
        note = f"{span}{', continued' if continued else ''}"
        async with self._db.transaction() as conn:
            await audit.record(conn, _ACTION, export_id, changed=False, note=note)
        return export_id

    async def pages(
        self, span: Range, after: Cursor | None
    ) -> AsyncIterator[tuple[list[pb.ExportedTurn], Cursor | None]]:
        """Turns, PAGE at a time, and where to go on; None after the last. The first page may be empty."""
        left = span.most
        while True:
            size = min(PAGE, left)
            async with self._db.connection() as conn:
                rows = await store.turns_to_export(conn, span.knowledge_base, span.since, span.until, after, size + 1)
                found = [
                    (
                        row,
                        await store.messages_around(conn, row.session_id, _uuids(row.turn.customer_message_ids)),
                        await store.milestones_around(conn, row.session_id, row.event_id),
                    )
                    for row in rows[:size]
                ]
            # Redaction is work for a processor, and this process has conversations to lead.
            turns = [await asyncio.to_thread(to_exported, *each) for each in found]
            left -= len(turns)
            more = len(rows) > size
            after = (rows[size - 1].created_at, rows[size - 1].event_id) if more else None
            yield turns, after
            if not more or not left:
                return


def to_exported(row: TurnRow, messages: Sequence[MessageAround], milestones: Sequence[Milestone]) -> pb.ExportedTurn:
    """A turn as it may leave: every text that a person wrote or was shown is redacted."""
    known = [row.customer_id] if row.customer_id else []
    agents = {name for each in messages for name in _names(each.author_name)}

    def said(text: str) -> str:
        return redact(text, known, agents=agents)

    later = _until_next_turn([each for each in milestones if each.event_id > row.event_id])
    ended = next((each.created_at for each in milestones if each.type == "turn"), None)
    response = next((each for each in messages if str(each.message_id) == row.turn.response_message_id), None)
    escalations = (each.event.escalation for each in later if each.type == "escalated")
    reason = next((each.reason for each in escalations if each.turn_event_id == str(row.event_id)), None)
    turn = pb.ExportedTurn(
        event_id=str(row.event_id),
        question="\n\n".join(said(each.content) for each in messages if each.asked),
        history=[
            pb.ExportedMessage(role=ROLES[each.role], text=said(each.content))
            for each in _context(messages, milestones, row)
        ],
        outcome=pb.TURN_OUTCOME_NOTICED,
        resolved=any(each.type == "resolved" for each in later),
        replies=[
            said(each.content)
            for each in messages
            if each.role == "agent" and not each.before and (ended is None or each.created_at < ended)
        ],
        passages=[_passage(each) for each in row.turn.evidence_pack.evidence],
    )
    turn.created_at.FromDatetime(row.created_at)
    if reason is not None:
        turn.outcome, turn.reason = pb.TURN_OUTCOME_ESCALATED, reason
    elif response is not None and response.role == "assistant":
        turn.outcome, turn.answer = pb.TURN_OUTCOME_ANSWERED, said(response.content)
        turn.rating = _RATINGS[response.rating]
        docs = {each.chunk_id: each.doc_id for each in row.turn.evidence_pack.evidence}
        cited = [docs[each.chunk_id] for claim in row.turn.draft.claims for each in claim.citations]
        turn.cited_doc_ids.extend(dict.fromkeys(cited))
    return turn


def _context(messages: Sequence[MessageAround], milestones: Sequence[Milestone], row: TurnRow) -> list[MessageAround]:
    """What was said before the turn in its context: since the conversation was last opened again."""
    before = [each for each in messages if each.before]
    reopened = [each.event.reopening.message_id for each in milestones if each.event_id < row.event_id]
    for message_id in reopened:
        place = next((index for index, each in enumerate(before) if str(each.message_id) == message_id), None)
        if place is not None:
            return before[place:]
        if any(each.asked and str(each.message_id) == message_id for each in messages):
            return []
    return before


def _until_next_turn(later: Sequence[Milestone]) -> list[Milestone]:
    ended = next((index for index, each in enumerate(later) if each.type == "turn"), len(later))
    return list(later[:ended])


def _passage(evidence: evidence_pb2.Evidence) -> pb.ExportedPassage:
    return pb.ExportedPassage(
        chunk_id=evidence.chunk_id,
        doc_id=evidence.doc_id,
        doc_uri=redact(evidence.doc_uri),
        title=redact(evidence.title),
        heading_path=[redact(each) for each in evidence.heading_path],
        text=redact(evidence.text),
        span_start=evidence.span_start,
        doc_version=evidence.doc_version,
    )


# What teams call themselves; as a word of its own it is no person's name.
_TEAMS = frozenset("agent care customer desk help helpdesk service support team the".split())  # noqa: SIM905


def _names(author: str) -> list[str]:
    """An agent's name and its parts: replies are signed with the first."""
    parts = author.split()
    return [author, *(each for each in parts if len(parts) <= 3 and each.casefold() not in _TEAMS)] if parts else []


def _uuids(texts: Sequence[str]) -> list[UUID]:
    return [UUID(each) for each in texts]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
