"""The knowledge worker through the wire: what is learned, and who finds it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from groundline.commands.v1 import commands_pb2 as commands
from groundline.conversation.v1 import conversation_pb2, conversation_service_pb2
from groundline.evaluation.v1 import reason_code_pb2
from groundline.knowledge.v1 import knowledge_pb2, knowledge_service_pb2
from groundline.retrieval.v1 import evidence_pb2
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit import testing
from meshkit.ids import new_id
from svc_workers.wiring import wire_knowledge

from .worker_mesh import PAGE, Mesh, add_document, chunks, run, statistics_agree, uuid


@pytest.fixture
async def knowledge(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Mesh]:
    async with run(wire_knowledge, database_url, keys, tmp_path) as mesh:
        yield mesh


async def add_case(mesh: Mesh, **fields: Any) -> UUID:
    case_id = new_id()
    row = {"acl": ["group:enterprise"], "state": "pending_review", **fields}
    await mesh.db.execute(
        """
        insert into knowledge.case_summaries
            (case_id, session_id, ticket_id, knowledge_base, question, summary, resolution, tags, acl_json, state)
        values ($1, $2, $3, 'default', 'Why does E-4012 stay after the update?', 's',
            'Renew the certificate with lumenctl cert renew.', '{e-4012}', $4::jsonb, $5)
        """,
        case_id,
        new_id(),
        new_id(),
        json.dumps({"groups": row["acl"]}),
        row["state"],
    )
    return case_id


async def test_a_case_is_found_by_agents_then_by_those_it_is_for_then_by_nobody(knowledge: Mesh) -> None:
    case_id = await add_case(knowledge)
    index = commands.IndexCase(case_id=str(case_id))
    await knowledge.done(index, "index_case", "index-case:1")
    document = await knowledge.db.fetchrow(
        "select d.* from knowledge.documents d join knowledge.case_summaries c using (doc_id) where case_id = $1",
        case_id,
    )
    assert document is not None
    doc_id = document["doc_id"]
    assert (document["kind"], document["uri"], document["state"]) == ("case", f"case:{case_id}", "indexed")
    assert document["title"] == "Why does E-4012 stay after the update?"
    (chunk,) = await chunks(knowledge, doc_id)
    assert chunk["text"] == "Renew the certificate with lumenctl cert renew."
    assert chunk["acl"] == ["group:agents"] and "id:e4012" in chunk["tsvector_column"]

    await knowledge.db.execute("update knowledge.case_summaries set state = 'approved' where case_id = $1", case_id)
    await knowledge.done(index, "index_case", "index-case:2")
    (chunk,) = await chunks(knowledge, doc_id)
    assert chunk["acl"] == chunk["vector_acl"] == ["group:enterprise"]

    await knowledge.db.execute("update knowledge.case_summaries set state = 'rejected' where case_id = $1", case_id)
    await knowledge.done(index, "index_case", "index-case:3")
    assert await chunks(knowledge, doc_id) == []
    assert await knowledge.db.fetchval("select state from knowledge.documents where doc_id = $1", doc_id) == "deleted"
    await statistics_agree(knowledge)


def message(role: str, content: str, at: int, **fields: Any) -> conversation_pb2.Message:
    made = conversation_pb2.Message(
        message_id=uuid(), role=conversation_pb2.MessageRole.Value(f"MESSAGE_ROLE_{role}"), content=content, **fields
    )
    made.created_at.FromSeconds(at)
    return made


def ticket_of(ticket_id: str, **fields: Any) -> ticketing_service_pb2.GetTicketResponse:
    ticket = ticketing_pb2.Ticket(
        ticket_id=ticket_id,
        knowledge_base="default",
        customer_id="C-77",
        escalation_reason=reason_code_pb2.REASON_CODE_INSUFFICIENT_COVERAGE,
        **fields,
    )
    ticket.created_at.FromSeconds(1000)
    return ticketing_service_pb2.GetTicketResponse(ticket=ticket)


async def test_a_resolved_conversation_becomes_a_redacted_case(knowledge: Mesh) -> None:
    session, ticket = uuid(), uuid()
    cited = await add_document(knowledge, PAGE.encode(), uri="manuals/reset.md", groups=["group:enterprise", "public"])
    pack = evidence_pb2.EvidencePack(
        evidence=[
            evidence_pb2.Evidence(
                doc_uri="internal/prices.md", text="The volume price is 4,250 EUR.", acl=["group:enterprise"]
            ),
            evidence_pb2.Evidence(doc_uri="internal/other.md", text="Unrelated.", acl=["group:supervisors"]),
        ]
    )
    knowledge.peers.say("GetTicket", ticket_of(ticket, evidence_pack=pack))
    knowledge.peers.say(
        "ListMessages",
        conversation_service_pb2.ListMessagesResponse(
            messages=[
                message("CUSTOMER", "How do I reset it?", 900),
                message(
                    "ASSISTANT",
                    "Hold RESET for 12 seconds.",
                    910,
                    citations=[conversation_pb2.MessageCitation(doc_id=str(cited), doc_uri="manuals/reset.md")],
                ),
                message("CUSTOMER", "What does the LM3-PRO-EU cost for 40 sites? Mail jane@shop.example", 950),
                message("CUSTOMER", "a person please", 990),
                message("AGENT", "It costs 4,250 EUR.", 1100),
            ]
        ),
    )
    knowledge.peers.say(
        "ListComments",
        ticketing_service_pb2.ListCommentsResponse(
            comments=[
                ticketing_pb2.TicketComment(
                    author_type=ticketing_pb2.AUTHOR_TYPE_AGENT,
                    visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC,
                    body="It costs 4,250 EUR each for C-77. Call +44 20 7946 0958.",
                ),
                ticketing_pb2.TicketComment(
                    author_type=ticketing_pb2.AUTHOR_TYPE_AGENT,
                    visibility=ticketing_pb2.COMMENT_VISIBILITY_INTERNAL,
                    body="secret note",
                ),
                ticketing_pb2.TicketComment(
                    author_type=ticketing_pb2.AUTHOR_TYPE_CUSTOMER,
                    visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC,
                    body="thanks",
                ),
            ]
        ),
    )
    knowledge.peers.say("RecordCase", knowledge_service_pb2.RecordCaseResponse(case=knowledge_pb2.Case(case_id=uuid())))
    await knowledge.done(commands.SummarizeCase(session_id=session, ticket_id=ticket), "summarize_case", "case:1")
    (case,) = knowledge.peers.asked("RecordCase")
    assert (case.session_id, case.ticket_id, case.knowledge_base) == (session, ticket, "default")
    assert case.question == "What does the LM3-PRO-EU cost for 40 sites? Mail [email]"
    assert case.resolution == "It costs 4,250 EUR each for [customer]. Call [phone]."
    assert list(case.references) == ["manuals/reset.md", "internal/prices.md"]
    assert list(case.acl) == ["group:enterprise"]
    assert list(case.tags) == ["lm3-pro-eu", "sites", "cost"]
    assert case.summary.splitlines() == [
        "Asked: What does the LM3-PRO-EU cost for 40 sites? Mail [email]",
        "Handed over: insufficient coverage",
        "Solved: It costs 4,250 EUR each for [customer]. Call [phone].",
    ]


async def test_nothing_is_learned_where_no_agent_wrote(knowledge: Mesh) -> None:
    ticket = uuid()
    knowledge.peers.say("GetTicket", ticket_of(ticket))
    await knowledge.done(commands.SummarizeCase(session_id=uuid(), ticket_id=ticket), "summarize_case", "case:2")
    assert knowledge.peers.asked("RecordCase") == []
