"""Past conversations become a question set: redacted, in the audit trail, and readable by `groundline eval`."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

import svc_orchestrator.exporting
from cli.app import build
from cli.asking import ask, open_session
from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.conversation.v1 import conversation_service_pb2 as conversation
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.orchestration.v1 import orchestration_service_pb2_grpc as rpc
from groundline.orchestration.v1 import turn_export_pb2 as export_pb
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2
from groundline.ticketing.v1 import ticketing_pb2
from groundline.ticketing.v1 import ticketing_service_pb2 as tickets
from groundline.ticketing.v1 import ticketing_service_pb2_grpc as tickets_rpc
from meshkit import testing
from meshkit.channels import open_channel
from meshkit.errors import from_rpc_error

from ..stack import Live
from ..unit.evaluator.cases import QUESTION, evidence, pack
from .scripted import Customer
from .test_cli import Ran
from .test_cli import run as run_cli
from .whole_desk import TICKETING, WholeDesk, open_whole_desk

SERVICE = orchestration.DESCRIPTOR.services_by_name["OrchestrationService"]
AGENT = "Maya Lind"
# Nothing of these may leave: mail, telephone, card, secret, the customer's name and id, the agent's name.
MARKERS = ("jane.marker@mail.example.org", "7946 0958", "4111 1111", "npk_0123456789abcdef", "Jane Marker", "CUST-4711",
           "Maya")  # fmt: skip
SUPPORT = "support@acme.example"
TRAY = evidence("An Acme 3 can hold up to 40 widgets. It ships with an empty tray. Write to " + SUPPORT + ".")
LAMP = evidence("The lamp of an Acme 3 blinks green while the tray is open.", name="lamp", title="The lamp")
TELLING = (
    "My name is Jane Marker, jane.marker@mail.example.org, +44 20 7946 0958, card 4111 1111 1111 1111, key "
    "npk_0123456789abcdef0123: why does my purple gizmo hum?"
)


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[WholeDesk]:
    """A desk that knows of trays and lamps."""
    async with open_whole_desk(database_url, keys, tmp_path) as desk:

        async def search(request: retrieval_pb2.SearchEvidenceRequest) -> evidence_pb2.EvidencePack:
            return pack(*((LAMP,) if "gizmo" in request.query else (TRAY, LAMP)), question=request.query)

        desk.talk.script.search = search
        yield desk


async def _says(customer: Customer, content: str, messages: int) -> None:
    """Says something, and waits until the chain is so long."""
    await customer.says(content)

    async def replied() -> bool:
        return len(await customer.chain()) >= messages

    await testing.eventually(replied, timeout_s=30)


async def _conversation(desk: WholeDesk, reply: str) -> Customer:
    """An answer, then a question that a person resolves with `reply`."""
    customer = await desk.talk.open()
    await desk.talk.sql.execute(
        "update conversation.sessions set customer_id = 'CUST-4711' where session_id = $1", customer.id
    )
    await _says(customer, QUESTION, 2)
    await _says(customer, TELLING, 4)
    ticket = await desk.ticket_of(customer)
    bearer = desk.talk.keys.token("agent", AGENT)
    async with open_channel(desk.ticketing.target, TICKETING, bearer=bearer) as channel:
        agent = tickets_rpc.TicketingServiceStub(channel)
        await agent.CreateComment(
            tickets.CreateCommentRequest(
                ticket_id=ticket.ticket_id, body=reply, visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC
            )
        )
        await testing.eventually(lambda: _has(customer, pb.MESSAGE_ROLE_AGENT), timeout_s=30)
        resolved = ticketing_pb2.Ticket(status=ticketing_pb2.TICKET_STATUS_RESOLVED)
        await agent.UpdateTicket(tickets.UpdateTicketRequest(ticket_id=ticket.ticket_id, ticket=resolved))

    async def done() -> bool:
        return bool((await customer.session()).status == pb.SESSION_STATUS_RESOLVED)

    await testing.eventually(done, timeout_s=30)
    return customer


async def _has(customer: Customer, role: pb.MessageRole.ValueType) -> bool:
    return role in [each.role for each in await customer.chain()]


async def _export(desk: WholeDesk, folder: Path, *options: str) -> Ran:
    home = folder.parent
    return await run_cli(
        home, desk.talk.orchestrator.target, "eval", "export", "--redact", "--out", str(folder), "--json", *options
    )


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(each) for each in file.read_text(encoding="utf-8").splitlines()]


def _all_of(folder: Path) -> str:
    return "\n".join(each.read_text(encoding="utf-8") for each in sorted(folder.iterdir()))


async def test_conversations_become_a_set_that_is_redacted_audited_and_can_be_measured(
    desk: WholeDesk, tmp_path: Path
) -> None:
    fact = "the lamp of an Acme 3 blinks green then."
    await _conversation(desk, f"Hi Jane,\nCUST-4711 is noted: {fact}\n\nRegards,\nMaya")
    await _conversation(desk, "We replaced it.")
    folder = tmp_path / "set"
    ran = await _export(desk, folder)
    assert ran.code == 0, ran.err
    assert sorted(each.name for each in folder.iterdir()) == [
        "META.json", "answers.jsonl", "corpus.jsonl", "qrels.tsv", "queries.jsonl",
    ]  # fmt: skip
    assert folder.stat().st_mode & 0o077 == 0
    written = _all_of(folder)
    assert [each for each in (*MARKERS, SUPPORT) if each in written] == []
    queries, answers = _rows(folder / "queries.jsonl"), _rows(folder / "answers.jsonl")
    labels = [(each["answerable"], len(each.get("history", ()))) for each in queries]
    assert labels == [(True, 0), (True, 2), (True, 0), (False, 2)]
    assert "[name], [email], [phone], card [card], key [secret]: why does my purple gizmo hum?" in queries[1]["text"]
    assert [each["role"] for each in queries[1]["history"]] == ["customer", "assistant"]
    assert f"[customer] is noted: {fact}" in answers[1]["answers"][0]
    judgments = [line.split("\t")[1] for line in (folder / "qrels.tsv").read_text().splitlines()[1:]]
    assert judgments == ["kb/page.md", "kb/lamp.md", "kb/page.md"]
    assert {each["doc_id"] for each in _rows(folder / "corpus.jsonl")} == {"kb/page.md", "kb/lamp.md"}
    counts = {"answered": 2, "resolved_from_pages": 1, "resolved_without": 1, "documents": 2, "queries": 4}
    assert ran.json["counts"] == counts

    (entry,) = await desk.talk.sql.fetch("select * from messaging.audit")
    assert (entry["actor"], entry["actor_role"], entry["action"]) == ("ada", "admin", "turns_exported")
    assert [str(entry["resource_id"])] == ran.json["export_ids"]
    assert "knowledge base default, from the beginning to 20" in entry["note"]

    arguments = ["eval", "--set", str(folder), "--json"]
    measured = await asyncio.to_thread(CliRunner().invoke, build(), arguments)
    assert measured.exit_code == 0, measured.exception
    found = json.loads(measured.stdout)
    assert (found["n"]["judged_queries"], found["n"]["answerable"], found["n"]["unanswerable"]) == (3, 3, 1)
    assert found["ndcg_at_10"] > 0.5
    assert found["answered"] >= 2

    again = await _export(desk, folder)
    assert again.code == 2
    assert "not an empty folder" in again.err
    assert await desk.talk.sql.fetchval("select count(*) from messaging.audit") == 1


async def test_without_the_rules_the_markers_would_be_there(
    desk: WholeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the other test looks for is in the conversations, and only redaction keeps it out."""
    await _conversation(desk, "Hi Jane,\nCUST-4711 is noted.\n\nRegards,\nMaya")
    monkeypatch.setattr(svc_orchestrator.exporting, "redact", lambda text, *_, **__: text)
    ran = await _export(desk, tmp_path / "set")
    assert ran.code == 0, ran.err
    written = _all_of(tmp_path / "set")
    assert [each for each in (*MARKERS, SUPPORT) if each not in written] == []


async def _stream(desk: WholeDesk, role: str, **fields: Any) -> list[export_pb.ExportTurnsResponse]:
    async with desk.talk.orchestrator.channel(SERVICE, role=role) as channel:
        stub = rpc.OrchestrationServiceStub(channel)
        return [each async for each in stub.ExportTurns(export_pb.ExportTurnsRequest(**fields))]


async def test_only_admins_export_and_a_stream_goes_on_where_it_ended(desk: WholeDesk) -> None:
    for _ in range(3):
        await _says(await desk.talk.open(), QUESTION, 2)
    for role in ("agent", "supervisor", "service", "adapter"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _stream(desk, role)
        assert from_rpc_error(refused.value).reason == "ROLE_NOT_ALLOWED"
    assert await desk.talk.sql.fetchval("select count(*) from messaging.audit") == 0
    (whole,) = await _stream(desk, "admin")
    assert [each.question for each in whole.turns] == [QUESTION] * 3
    assert not whole.next_page_token
    found, token = [], ""
    for _ in range(3):
        (page,) = await _stream(desk, "admin", max_turns=1, page_token=token)
        found.extend(page.turns)
        token = page.next_page_token
    assert found == list(whole.turns)
    assert not token
    (other,) = await _stream(desk, "admin", knowledge_base="others")
    assert not other.turns
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _stream(desk, "admin", page_token="bm9uZQ")
    assert from_rpc_error(refused.value).reason == "PAGE_TOKEN_INVALID"
    notes = [row["note"] for row in await desk.talk.sql.fetch("select note from messaging.audit order by audit_id")]
    assert len(notes) == 5
    assert [each.endswith("at most 1 turns, continued") for each in notes] == [False, False, True, True, False]


async def test_the_edge_lets_a_stream_through_to_admins(live: Live) -> None:
    async with live.mesh(None) as visitor:
        session, token = await open_session(visitor, channel="web", knowledge_base=None)
    async with live.mesh(token) as customer:
        question = "How many Nodes can one Lumen 3 gateway manage? Mail jane.marker@mail.example.org"
        await ask(customer, session.session_id, question, timeout_s=30, progress=lambda _: None)
    async with live.mesh(live.token("admin")) as mesh:
        pages = [each async for each in mesh.orchestration.ExportTurns(export_pb.ExportTurnsRequest())]
    asked = [turn.question for page in pages for turn in page.turns]
    assert "How many Nodes can one Lumen 3 gateway manage? Mail [email]" in asked
    assert not pages[-1].next_page_token
    async with live.mesh(live.token("agent")) as mesh:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(mesh.orchestration.ExportTurns(export_pb.ExportTurnsRequest())))
        assert from_rpc_error(refused.value).reason == "ROLE_NOT_ALLOWED"


async def test_what_a_customer_did_not_find_helpful_is_left_out(desk: WholeDesk, tmp_path: Path) -> None:
    customer = await desk.talk.open()
    await _says(customer, QUESTION, 2)
    answer = (await customer.chain())[-1]
    await customer.stub.RateMessage(
        conversation.RateMessageRequest(
            session_id=customer.session_id, message_id=answer.message_id, rating=pb.RATING_NOT_HELPFUL
        ),
        metadata=customer.credentials,
    )
    ran = await _export(desk, tmp_path / "set")
    assert ran.code == 1
    assert "none of 1 turns in 'default' makes a question" in ran.err
    assert not (tmp_path / "set").exists()


async def test_times_bound_an_export(desk: WholeDesk, tmp_path: Path) -> None:
    await _says(await desk.talk.open(), QUESTION, 2)
    ran = await _export(desk, tmp_path / "set", "--until", "1h")
    assert (ran.code, "none of 0 turns" in ran.err) == (1, True)
    ran = await _export(desk, tmp_path / "set", "--since", "1h", "--until", "2h")
    assert (ran.code, "--since is not before --until" in ran.err) == (2, True)
    ran = await _export(desk, tmp_path / "set", "--since", "1h")
    assert (ran.code, ran.json["counts"]["queries"]) == (0, 1)
