"""A ticket as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cli.output import facts, moment, say, shorten, word
from cli.verdict_view import print_verdict
from groundline.conversation.v1 import conversation_pb2
from groundline.evaluation.v1 import reason_code_pb2
from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_SENTENCES, Draft
from groundline.ticketing.v1 import ticketing_pb2 as pb

MAX_PASSAGES = 5
PASSAGE_CHARS = 160


def print_ticket(ticket: pb.Ticket, comments: Sequence[pb.TicketComment]) -> None:
    """Everything that a person needs to answer without asking again."""
    reason = reason_code_pb2.ReasonCode.Name(ticket.escalation_reason).removeprefix("REASON_CODE_")
    facts(
        [
            ("ticket", ticket.ticket_id),
            ("status", word(pb.TicketStatus, ticket.status, "TICKET_STATUS_")),
            ("reason", reason),
            ("confidence", f"{ticket.ai_confidence:.2f}"),
            ("priority", word(pb.TicketPriority, ticket.priority, "TICKET_PRIORITY_")),
            ("queue", ticket.queue),
            ("assigned to", ticket.assigned_to),
            ("tags", ", ".join(ticket.tags)),
            ("session", ticket.session_id),
            ("customer", ticket.customer_id),
            ("made", moment(ticket.created_at)),
            ("changed", moment(ticket.updated_at)),
            ("resolved", moment(ticket.resolved_at)),
            ("resolution", ticket.resolution),
        ]
    )
    if ticket.summary:
        _heading("Summary")
        say(ticket.summary)
    _transcript(ticket)
    _evidence(ticket)
    _verdict(ticket)
    if comments:
        _heading("Comments")
    for each in comments:
        author = f"{word(pb.AuthorType, each.author_type, 'AUTHOR_TYPE_')} {each.author}".strip()
        visibility = word(pb.CommentVisibility, each.visibility, "COMMENT_VISIBILITY_")
        say(f"{moment(each.created_at)}  {author} ({visibility})", "dim")
        say(f"  {each.body}")


def _transcript(ticket: pb.Ticket) -> None:
    if ticket.transcript:
        _heading("Conversation until then")
    for each in ticket.transcript:
        role = word(conversation_pb2.MessageRole, each.role, "MESSAGE_ROLE_")
        say(f"{moment(each.created_at)}  {role}", "dim")
        say(f"  {each.content}")


def _evidence(ticket: pb.Ticket) -> None:
    passages = ticket.evidence_pack.evidence
    if passages:
        _heading(f"Found ({len(passages)})")
    for each in passages[:MAX_PASSAGES]:
        say(f"{each.score:.2f}  {each.title} ({each.doc_uri})")
        say(f"      {shorten(each.text, PASSAGE_CHARS)}", "dim")
    if len(passages) > MAX_PASSAGES:
        say(f"      and {len(passages) - MAX_PASSAGES} more: see --json", "dim")


def _verdict(ticket: pb.Ticket) -> None:
    print_verdict(ticket.verdict, ticket.evidence_pack)
    if ticket.refused_draft.claims:
        _heading("What the bot would have said, and did not")
        say(_as_shown(ticket.refused_draft), "dim")


def _as_shown(draft: Draft) -> str:
    """As a customer would have seen it: sentences in one paragraph, steps and code on lines of their own."""
    text, after_lines = "", draft.form != ANSWER_FORM_SENTENCES
    for each in draft.claims:
        lines = draft.form != ANSWER_FORM_SENTENCES or "\n" in each.text
        if text:
            text += "\n" if lines or after_lines else " "
        text += each.text
        after_lines = lines
    return text


def _heading(text: str) -> None:
    say(f"\n{text}", "bold")
