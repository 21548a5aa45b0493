"""Documents, cases and knowledge bases through the wire."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from groundline.knowledge.v1 import knowledge_pb2
from groundline.knowledge.v1 import knowledge_service_pb2 as kb
from meshkit import testing
from meshkit.errors import RemoteError, from_rpc_error

from .knowledge_desk import Caller, KnowledgeDesk, open_desk

PAGE = """---
title: Guests
source: manual
acl: [group:agents, public]
version: "3.10"
updated_at: 2026-05-04
language: en
supersedes: ./manuals/old-guests.md
---
# Guest network

Switch it on under Wireless.
"""


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[KnowledgeDesk]:
    async with open_desk(database_url, keys, tmp_path) as desk:
        yield desk


async def refusal(call: Any) -> RemoteError:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return from_rpc_error(refused.value)


async def outbox(desk: KnowledgeDesk) -> list[str]:
    rows = await desk.owner.fetch("select idempotency_key from messaging.outbox order by outbox_id")
    return [row[0] for row in rows]


async def get(caller: Caller, doc_id: str) -> knowledge_pb2.Document:
    return (await caller.knowledge.GetDocument(kb.GetDocumentRequest(doc_id=doc_id))).document


async def test_a_document_says_itself_what_it_is(desk: KnowledgeDesk) -> None:
    response = await (await desk.caller("admin")).write("manuals/guests.md", PAGE)
    document = response.document
    assert response.changed
    assert (document.title, document.source, document.product_version) == ("Guests", "manual", "3.10")
    assert (document.uri, document.knowledge_base, document.version) == ("manuals/guests.md", "default", 1)
    assert (document.kind, document.state) == (knowledge_pb2.DOCUMENT_KIND_PAGE, knowledge_pb2.DOCUMENT_STATE_PENDING)
    assert list(document.acl) == ["group:agents", "public"]
    assert document.updated_at.ToJsonString() == "2026-05-04T00:00:00Z"
    assert await outbox(desk) == [f"ingest:{document.doc_id}:1"]
    await desk.index()
    found = await get(await desk.caller("agent"), document.doc_id)
    assert (found.state, found.chunk_count) == (knowledge_pb2.DOCUMENT_STATE_INDEXED, 1)


async def test_the_request_is_heard_before_the_document(desk: KnowledgeDesk) -> None:
    when = Timestamp(seconds=1_700_000_000)
    document = (
        await (await desk.caller("admin")).write(
            "g.md", PAGE, title="T", source="s", acl=["group:x", "group:a", "group:x"], updated_at=when
        )
    ).document
    assert (document.title, document.source, document.updated_at) == ("T", "s", when)
    assert list(document.acl) == ["group:a", "group:x"]


@pytest.mark.parametrize(
    ("uri", "media_type", "content", "title"),
    [
        ("a/b.md", "text/markdown", "no heading", "b"),
        ("a/b.md", "text/markdown; charset=utf-8", "# First\n## Second", "First"),
        ("a/b.txt", "text/plain", "# no heading in plain text", "b"),
        ("a/b.html", "text/html", "<title>Page</title><h1>H</h1>", "Page"),
        ("a/b.html", "text/html", "<h1>Only <b>this</b></h1>", "Only this"),
        ("https://docs.example/x/?q=1", "text/plain", "words", "x"),
    ],
)
async def test_a_title_is_found(desk: KnowledgeDesk, uri: str, media_type: str, content: str, title: str) -> None:
    document = (await (await desk.caller("admin")).write(uri, content, media_type=media_type)).document
    assert document.title == title
    assert list(document.acl) == ["public"]


async def test_the_same_again_changes_nothing(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    first = await admin.write("a.md", "# A\n\nNobody dated this.")
    for state in ("pending", "indexed"):
        again = await admin.write("a.md", "# A\n\nNobody dated this.")
        assert (again.changed, again.document.version) == (False, 1), state
        await desk.index()
    assert again.document.doc_id == first.document.doc_id
    changed = await admin.write("a.md", "# A\n\nNobody dated this.", acl=["group:agents"])
    assert (changed.changed, changed.document.version, changed.document.doc_id) == (True, 2, first.document.doc_id)
    assert changed.document.state == knowledge_pb2.DOCUMENT_STATE_PENDING
    assert len(await outbox(desk)) == 2


async def test_a_page_that_is_closed_is_closed_at_once(desk: KnowledgeDesk) -> None:
    """Not only when the worker comes to it; a page that is opened stays readable to those who could read it."""
    admin, agent, adminless = await desk.caller("admin"), await desk.caller("agent"), await desk.caller("service")
    await admin.write("a.md", "# Voucher\n\nThe voucher code.")
    await desk.index()
    assert (await adminless.search("voucher")).evidence
    await admin.write("a.md", "# Voucher\n\nThe voucher code.", acl=["group:agents"])
    assert not (await adminless.search("voucher")).evidence
    await desk.index()
    await admin.write("a.md", "# Voucher\n\nThe voucher code.", acl=["group:agents", "public"])
    assert (await agent.search("voucher")).evidence


async def test_a_deleted_uri_comes_back_under_its_id(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    first = (await admin.write("a.md", "# A\n\nwords")).document
    await desk.index()
    for _ in range(2):
        await admin.knowledge.DeleteDocument(kb.DeleteDocumentRequest(doc_id=first.doc_id))
    assert not await desk.owner.fetchval("select count(*) from knowledge.corpus_stats")
    gone = await get(admin, first.doc_id)
    assert (gone.state, gone.chunk_count) == (knowledge_pb2.DOCUMENT_STATE_DELETED, 0)
    assert not (await admin.knowledge.ListDocuments(kb.ListDocumentsRequest())).documents
    listed = await admin.knowledge.ListDocuments(
        kb.ListDocumentsRequest(state=knowledge_pb2.DOCUMENT_STATE_DELETED, uri="a.md")
    )
    assert [each.doc_id for each in listed.documents] == [first.doc_id]
    again = await admin.write("a.md", "# A\n\nwords")
    assert (again.changed, again.document.doc_id, again.document.version) == (True, first.doc_id, 2)
    await desk.index()
    assert (await admin.search("words")).evidence


async def test_what_could_not_be_read_is_tried_again(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    await admin.write("a.md", "---\ntitle: Nothing\n---\n")
    await desk.index()
    failed = (await admin.knowledge.ListDocuments(kb.ListDocumentsRequest())).documents[0]
    assert failed.state == knowledge_pb2.DOCUMENT_STATE_FAILED
    assert failed.error
    again = await admin.write("a.md", "---\ntitle: Nothing\n---\n")
    assert (again.changed, again.document.version, again.document.error) == (True, 2, "")


@pytest.mark.parametrize(
    ("fields", "content", "reason"),
    [
        ({"media_type": "application/pdf"}, "x", "MEDIA_TYPE_UNSUPPORTED"),
        ({"media_type": ""}, "x", "MEDIA_TYPE_UNSUPPORTED"),
        ({}, b"caf\xe9", "INVALID_REQUEST"),
        ({}, b"a\0b", "INVALID_REQUEST"),
        ({}, b"", "INVALID_REQUEST"),
        ({}, b"x" * 700_001, "INVALID_REQUEST"),
        ({}, "---\nacl: [a\n---\nx", "INVALID_REQUEST"),
        ({}, "---\nacl: []\n---\nx", "INVALID_REQUEST"),
        ({}, "---\nacl: {a: b}\n---\nx", "INVALID_REQUEST"),
        ({}, "---\nupdated_at: soon\n---\nx", "INVALID_REQUEST"),
        ({}, "---\nkind: case\n---\nx", "INVALID_REQUEST"),
        ({"uri": ""}, "x", "INVALID_REQUEST"),
        ({"uri": "a\0b"}, "x", "INVALID_REQUEST"),
        ({"acl": [""]}, "x", "INVALID_REQUEST"),
        ({"updated_at": Timestamp(seconds=10**15)}, "x", "INVALID_REQUEST"),
        ({"request_id": "a b"}, "x", "INVALID_REQUEST"),
        ({"knowledge_base": "nobody"}, "x", "KNOWLEDGE_BASE_NOT_FOUND"),
    ],
)
async def test_what_is_no_document_is_refused(
    desk: KnowledgeDesk, fields: dict[str, Any], content: str | bytes, reason: str
) -> None:
    error = await refusal((await desk.caller("admin")).write(**{"uri": "a.md", "content": content} | fields))
    assert error.reason == reason
    assert not await desk.owner.fetchval("select count(*) from knowledge.documents")
    assert not await outbox(desk)


async def test_a_request_id_stands_for_one_request(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    first = await admin.write("a.md", "# One", request_id="r1")
    await admin.write("a.md", "# Two", request_id="r2")
    # A late repeat is answered like the first call, and undoes nothing.
    repeat = await admin.write("a.md", "# One", request_id="r1")
    assert (repeat.changed, repeat.document.doc_id) == (True, first.document.doc_id)
    assert (repeat.document.version, repeat.document.title) == (2, "Two")
    error = await refusal(admin.write("a.md", "# Three", request_id="r1"))
    assert (error.reason, error.metadata) == ("REQUEST_ID_REUSED", {"request_id": "r1"})
    # Another caller's ids are its own.
    assert (await (await desk.caller("service")).write("b.md", "# B", request_id="r1")).changed


async def test_calls_at_once_make_one_version(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    for request_id in ("", "r"):
        uri = f"a{request_id}.md"
        responses = await asyncio.gather(*(admin.write(uri, "# A", request_id=request_id) for _ in range(8)))
        assert {(each.document.doc_id, each.document.version) for each in responses} == {
            (responses[0].document.doc_id, 1)
        }
    assert len(await outbox(desk)) == 2


async def test_documents_are_read_by_those_who_may(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    secret = (await admin.write("s.md", "# S", acl=["group:vip"])).document
    new = (await admin.write("n.md", "---\nsupersedes: o.md\nacl: [group:vip]\n---\n# N")).document
    old = (await admin.write("o.md", "# O")).document
    await desk.index()
    agent, vip = await desk.caller("agent"), await desk.caller("agent", "group:vip")
    error = await refusal(get(agent, secret.doc_id))
    assert (error.reason, error.metadata) == ("DOCUMENT_NOT_FOUND", {"doc_id": secret.doc_id})
    assert (await refusal(get(agent, str(uuid4())))).reason == "DOCUMENT_NOT_FOUND"
    listed = (await agent.knowledge.ListDocuments(kb.ListDocumentsRequest())).documents
    assert [each.uri for each in listed] == ["o.md"]
    assert listed[0].superseded_by_uri == ""
    assert (await get(vip, old.doc_id)).superseded_by_uri == new.uri
    assert {(await get(each, secret.doc_id)).uri for each in (admin, vip)} == {"s.md"}
    bases = (await agent.knowledge.ListKnowledgeBases(kb.ListKnowledgeBasesRequest())).knowledge_bases
    assert [(each.name, each.chunk_count, each.document_count) for each in bases] == [("default", 1, 1)]
    assert (await refusal(agent.write("x.md", "x"))).reason == "ROLE_NOT_ALLOWED"
    request = kb.DeleteDocumentRequest(doc_id=old.doc_id)
    assert (await refusal(agent.knowledge.DeleteDocument(request))).reason == "ROLE_NOT_ALLOWED"
    request = kb.DeleteDocumentRequest(doc_id=str(uuid4()))
    assert (await refusal(admin.knowledge.DeleteDocument(request))).reason == "DOCUMENT_NOT_FOUND"


async def test_lists_go_on_where_they_ended(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    for number in range(5):
        await admin.write(f"{number}.md", "# N")
        await admin.knowledge.CreateKnowledgeBase(kb.CreateKnowledgeBaseRequest(name=f"b{number}"))
    seen, token = [], ""
    while True:
        page = await admin.knowledge.ListDocuments(kb.ListDocumentsRequest(page_size=2, page_token=token))
        seen += [each.uri for each in page.documents]
        if not (token := page.next_page_token):
            break
    assert seen == [f"{number}.md" for number in range(5)]
    bases = await admin.knowledge.ListKnowledgeBases(kb.ListKnowledgeBasesRequest(page_size=4))
    rest = await admin.knowledge.ListKnowledgeBases(
        kb.ListKnowledgeBasesRequest(page_size=4, page_token=bases.next_page_token)
    )
    names = [each.name for each in (*bases.knowledge_bases, *rest.knowledge_bases)]
    assert names == ["b0", "b1", "b2", "b3", "b4", "default"]


async def test_page_tokens_of_other_lists_are_refused(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    await admin.write("a.md", "# N")
    await admin.write("b.md", "# N")
    token = (await admin.knowledge.ListDocuments(kb.ListDocumentsRequest(page_size=1))).next_page_token
    assert token
    calls = [
        admin.knowledge.ListDocuments(kb.ListDocumentsRequest(page_token=token, uri="a.md")),
        admin.knowledge.ListDocuments(kb.ListDocumentsRequest(page_token="nonsense")),
        admin.knowledge.ListCases(kb.ListCasesRequest(page_token=token)),
        admin.knowledge.ListKnowledgeBases(kb.ListKnowledgeBasesRequest(page_token=token)),
    ]
    for call in calls:
        assert (await refusal(call)).reason == "PAGE_TOKEN_INVALID"


async def test_a_knowledge_base_is_made_once(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    request = kb.CreateKnowledgeBaseRequest(name="toys", request_id="r")
    for _ in range(2):
        made = (await admin.knowledge.CreateKnowledgeBase(request)).knowledge_base
        assert (made.name, made.display_name) == ("toys", "toys")
    again = kb.CreateKnowledgeBaseRequest(name="toys", display_name="Toys")
    error = await refusal(admin.knowledge.CreateKnowledgeBase(again))
    assert (error.reason, error.metadata) == ("KNOWLEDGE_BASE_EXISTS", {"knowledge_base": "toys"})
    reused = kb.CreateKnowledgeBaseRequest(name="games", request_id="r")
    assert (await refusal(admin.knowledge.CreateKnowledgeBase(reused))).reason == "REQUEST_ID_REUSED"
    assert (await refusal(admin.knowledge.CreateKnowledgeBase(kb.CreateKnowledgeBaseRequest(name="No")))).reason


def learned(**fields: Any) -> kb.RecordCaseRequest:
    values: dict[str, Any] = {
        "session_id": str(uuid4()),
        "ticket_id": str(uuid4()),
        "knowledge_base": "default",
        "question": "Why does the fan rattle?",
        "summary": "It rattled.",
        "resolution": "Loosen the rear screw by half a turn.",
        "tags": ["fan"],
        "references": ["manuals/fan.md"],
    }
    return kb.RecordCaseRequest(**values | fields)


async def test_others_are_answered_from_a_case_once_it_is_approved(desk: KnowledgeDesk) -> None:
    service, agent = await desk.caller("service"), await desk.caller("agent")
    request = learned(acl=["public"])
    case = (await service.knowledge.RecordCase(request)).case
    assert case.state == knowledge_pb2.CASE_STATE_PENDING_REVIEW
    assert (list(case.acl), list(case.tags), list(case.references)) == (["public"], ["fan"], ["manuals/fan.md"])
    assert (await service.knowledge.RecordCase(request)).case == case, "once by conversation and ticket"
    await desk.index()
    assert not (await service.search("fan rattle")).evidence
    (shown,) = (await agent.search("why does the fan rattle")).evidence
    assert shown.title == "Why does the fan rattle?"
    approve = kb.ApproveCaseRequest(case_id=case.case_id)
    approved = (await agent.knowledge.ApproveCase(approve)).case
    assert (approved.state, approved.reviewed_by) == (knowledge_pb2.CASE_STATE_APPROVED, "agent-1")
    assert approved.HasField("reviewed_at")
    assert (await agent.knowledge.ApproveCase(approve)).case == approved
    await desk.index()
    assert [each.doc_id for each in (await service.search("fan rattle")).evidence] == [approved.doc_id]
    rejected = (await agent.knowledge.RejectCase(kb.RejectCaseRequest(case_id=case.case_id))).case
    assert rejected.state == knowledge_pb2.CASE_STATE_REJECTED
    for caller in (service, agent):
        assert not (await caller.search("fan rattle")).evidence
    assert (await agent.knowledge.RejectCase(kb.RejectCaseRequest(case_id=case.case_id))).case == rejected
    error = await refusal(agent.knowledge.ApproveCase(approve))
    assert error.reason == "CASE_STATE_INVALID"
    assert error.metadata == {"case_id": case.case_id, "state": "rejected"}
    assert await outbox(desk) == [f"index-case:{case.case_id}:{state}" for state in ("pending_review", "approved")]
    await desk.owner.execute("update messaging.outbox set status = 'pending'")
    await desk.index()
    assert not (await agent.search("fan rattle")).evidence, "a late command must not bring it back"


async def test_a_case_is_not_public_by_omission(desk: KnowledgeDesk) -> None:
    service = await desk.caller("service")
    case = (await service.knowledge.RecordCase(learned())).case
    assert list(case.acl) == ["group:agents"]


async def test_cases_are_listed_newest_first(desk: KnowledgeDesk) -> None:
    service, agent = await desk.caller("service"), await desk.caller("agent")
    made = [(await service.knowledge.RecordCase(learned())).case for _ in range(3)]
    await agent.knowledge.ApproveCase(kb.ApproveCaseRequest(case_id=made[1].case_id))
    first = await agent.knowledge.ListCases(kb.ListCasesRequest(page_size=2))
    second = await agent.knowledge.ListCases(kb.ListCasesRequest(page_size=2, page_token=first.next_page_token))
    assert [each.case_id for each in (*first.cases, *second.cases)] == [each.case_id for each in reversed(made)]
    approved = await agent.knowledge.ListCases(kb.ListCasesRequest(state=knowledge_pb2.CASE_STATE_APPROVED))
    assert [each.case_id for each in approved.cases] == [made[1].case_id]
    of_ticket = await agent.knowledge.ListCases(kb.ListCasesRequest(ticket_id=made[0].ticket_id))
    assert [each.case_id for each in of_ticket.cases] == [made[0].case_id]
    assert (await agent.knowledge.GetCase(kb.GetCaseRequest(case_id=made[0].case_id))).case == made[0]


async def test_unknown_cases_and_bases_are_named(desk: KnowledgeDesk) -> None:
    service, agent, unknown = await desk.caller("service"), await desk.caller("agent"), str(uuid4())
    for call in (
        agent.knowledge.GetCase(kb.GetCaseRequest(case_id=unknown)),
        agent.knowledge.ApproveCase(kb.ApproveCaseRequest(case_id=unknown)),
        agent.knowledge.RejectCase(kb.RejectCaseRequest(case_id=unknown)),
    ):
        error = await refusal(call)
        assert (error.reason, error.metadata) == ("CASE_NOT_FOUND", {"case_id": unknown})
    error = await refusal(service.knowledge.RecordCase(learned(knowledge_base="nobody")))
    assert error.reason == "KNOWLEDGE_BASE_NOT_FOUND"
    assert (await refusal(agent.knowledge.RecordCase(learned()))).reason == "ROLE_NOT_ALLOWED"
