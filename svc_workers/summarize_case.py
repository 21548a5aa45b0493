"""What is learned from a conversation that a person resolved."""

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

from groundline.commands.v1 import commands_pb2 as commands
from groundline.conversation.v1 import conversation_pb2
from groundline.conversation.v1 import conversation_service_pb2 as conversation
from groundline.knowledge.v1 import knowledge_service_pb2 as knowledge
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit.outbox import Attempt, Done, Outcome
from meshkit.postgres import Database
from meshkit.telemetry import get_logger
from meshkit.text.redaction import redact
from svc_workers import store
from svc_workers.case_evidence import Used, echoed, strictest
from svc_workers.case_question import question_of
from svc_workers.case_summary import summary_of
from svc_workers.case_tags import tags_of
from svc_workers.job import Job
from svc_workers.peers import Peers, answer

log = get_logger(__name__)

PAGE = 200
MAX_PAGES = 25
MAX_REFERENCES = 64
MAX_QUESTION_BYTES, MAX_SUMMARY_BYTES, MAX_RESOLUTION_BYTES = 16_384, 16_384, 65_536
_AGENT, _PUBLIC = ticketing_pb2.AUTHOR_TYPE_AGENT, ticketing_pb2.COMMENT_VISIBILITY_PUBLIC
_ASSISTANT = conversation_pb2.MESSAGE_ROLE_ASSISTANT


class SummarizeCase(Job[commands.SummarizeCase]):
    """Writes a case down: question, resolution, summary, references, tags; redacted, for an agent to review.

    Deterministic: the same conversation gives the same case. Without an agent's words there is nothing to learn.
    """

    type, command = "summarize_case", commands.SummarizeCase
    timeout_s, concurrency = 60.0, 4

    def __init__(self, peers: Peers, database: Database) -> None:
        self._peers = peers
        self._db = database

    async def work(self, command: commands.SummarizeCase, attempt: Attempt) -> Outcome:
        """Reads conversation and ticket, and records the case."""
        ticket = (
            await answer(
                self._peers.ticketing.GetTicket(ticketing_service_pb2.GetTicketRequest(ticket_id=command.ticket_id))
            )
        ).ticket
        resolution = ticket.resolution.strip() or await self._replies(command.ticket_id)
        if not resolution:
            return Done()
        messages = await self._messages(command.session_id)
        question = question_of(messages, ticket.created_at.ToDatetime(UTC))
        if not question:
            return Done()
        used = [
            *await self._cited(messages),
            *echoed(resolution, question, ticket.evidence_pack.evidence),
        ]
        case = _case(command, ticket, question=question, resolution=resolution, used=used)
        recorded = await answer(self._peers.knowledge.RecordCase(case))
        log.info("case_recorded", case_id=recorded.case.case_id, ticket_id=command.ticket_id)
        return Done()

    async def _messages(self, session_id: str) -> list[conversation_pb2.Message]:
        found: list[conversation_pb2.Message] = []
        token = ""
        for _ in range(MAX_PAGES):
            page = await answer(
                self._peers.conversation.ListMessages(
                    conversation.ListMessagesRequest(session_id=session_id, page_size=PAGE, page_token=token)
                )
            )
            found.extend(page.messages)
            token = page.next_page_token
            if not token:
                break
        return found

    async def _replies(self, ticket_id: str) -> str:
        """What agents told the customer, oldest first."""
        bodies: list[str] = []
        token = ""
        for _ in range(MAX_PAGES):
            page = await answer(
                self._peers.ticketing.ListComments(
                    ticketing_service_pb2.ListCommentsRequest(ticket_id=ticket_id, page_size=PAGE, page_token=token)
                )
            )
            public = (each for each in page.comments if each.author_type == _AGENT and each.visibility == _PUBLIC)
            bodies.extend(each.body.strip() for each in public)
            token = page.next_page_token
            if not token:
                break
        return "\n\n".join(filter(None, bodies))

    async def _cited(self, messages: Sequence[conversation_pb2.Message]) -> list[Used]:
        """What the bot's answers in the same conversation rest on."""
        uris = {
            UUID(citation.doc_id): citation.doc_uri
            for message in messages
            if message.role == _ASSISTANT
            for citation in message.citations
        }
        async with self._db.connection() as conn:
            acls = await store.document_acls(conn, list(uris))
        return [Used(uri, acls.get(doc_id, ())) for doc_id, uri in uris.items()]


def _case(
    command: commands.SummarizeCase,
    ticket: ticketing_pb2.Ticket,
    *,
    question: str,
    resolution: str,
    used: Sequence[Used],
) -> knowledge.RecordCaseRequest:
    known = [ticket.customer_id]
    question, resolution = redact(question, known), redact(resolution, known)
    references = dict.fromkeys(each.uri for each in used if each.uri)
    return knowledge.RecordCaseRequest(
        session_id=command.session_id,
        ticket_id=command.ticket_id,
        knowledge_base=ticket.knowledge_base or "default",
        question=_within(question, MAX_QUESTION_BYTES),
        summary=_within(summary_of(question, ticket.escalation_reason, resolution), MAX_SUMMARY_BYTES),
        resolution=_within(resolution, MAX_RESOLUTION_BYTES),
        tags=tags_of(ticket.tags, question),
        references=list(references)[:MAX_REFERENCES],
        acl=strictest(used),
    )


def _within(text: str, size: int) -> str:
    """`text` cut to `size` bytes of UTF-8, between characters."""
    return text.encode()[:size].decode(errors="ignore")
