"""The command line as a person runs it: its own process, a real mesh behind it, its words and its exit codes."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from groundline.commands.v1 import commands_pb2 as commands
from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as reasons
from groundline.knowledge.v1 import knowledge_pb2, knowledge_service_pb2, knowledge_service_pb2_grpc
from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from meshkit import outbox, testing
from meshkit.ids import new_id
from meshkit.server import Service

from .desk import Desk, comment, read
from .scripted import Talk, failed, open_talk

TIMEOUT_S = 60


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def run(home: Path, edge: str, *arguments: str, **environment: str) -> Ran:
    """`groundline …` in a process of its own, without a terminal."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GROUNDLINE_")}
    env |= {"GROUNDLINE_HOME": str(home), "GROUNDLINE_EDGE": edge, "GROUNDLINE_SUBJECT": "ada", **environment}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *arguments, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


@pytest.fixture
async def answering(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Talk]:
    """Gateway and orchestrator, advancing by themselves."""
    async with open_talk(database_url, keys, tmp_path, orchestrator_target="orchestrator") as talk:
        yield talk


async def test_tickets_are_listed_shown_replied_to_and_resolved(desk: Desk, tmp_path: Path) -> None:
    made = await desk.ticket(
        summary="asks \x1b[2J about [red]terraces[/red]",
        customer_id="cust-7",
        verdict=evaluation.Verdict(confidence=0.25),
    )
    listed = await run(tmp_path, desk.target, "ticket", "list", "--status", "open")
    assert listed.code == 0
    assert made.ticket_id in listed.out
    assert "NO_EVIDENCE" in listed.out
    assert "\x1b" not in listed.out
    assert (await run(tmp_path, desk.target, "ticket", "list", "--json")).json["tickets"][0]["etag"] == "1"
    empty = await run(tmp_path, desk.target, "ticket", "list", "--status", "closed")
    assert (empty.code, empty.out) == (0, "")

    refused = await run(tmp_path, desk.target, "ticket", "resolve", made.ticket_id)
    assert refused.code == 2
    assert refused.err.startswith("groundline: resolution: ")
    assert refused.err.count("\n") == 1

    replied = await run(tmp_path, desk.target, "ticket", "reply", made.ticket_id, "Indoors only.")
    assert replied.code == 0
    noted = await run(
        tmp_path, desk.target, "ticket", "reply", made.ticket_id, "Asked the lab.", "--internal", "--json"
    )
    assert noted.json["comment"]["visibility"] == "COMMENT_VISIBILITY_INTERNAL"
    assert (await run(tmp_path, desk.target, "ticket", "resolve", made.ticket_id)).code == 0
    resolved = await read(desk, made.ticket_id)
    assert resolved.status == pb.TICKET_STATUS_RESOLVED
    assert [each["type"] for each in await desk.commands()] == ["mirror_reply", "resolve_session"]
    assert (await desk.commands())[0]["payload_json"]["author_name"] == "ada"

    shown = await run(tmp_path, desk.target, "ticket", "show", made.ticket_id)
    for words in (
        "resolved",
        "NO_EVIDENCE",
        "0.25",
        "cust-7",
        "[red]terraces[/red]",
        "Indoors only.",
        "Asked the lab.",
    ):
        assert words in shown.out
    assert "\x1b" not in shown.out
    assert len((await run(tmp_path, desk.target, "ticket", "show", made.ticket_id, "--json")).json["comments"]) == 2


async def test_what_goes_wrong_is_one_line_that_says_what_to_do(desk: Desk, tmp_path: Path) -> None:
    unknown = str(new_id())
    for arguments, code, words in (
        (("ticket", "show", unknown), 1, "TICKET_NOT_FOUND"),
        (("ticket", "show", "nonsense"), 2, "ticket_id"),
        (("ticket", "list", "--status", "nonsense"), 2, "open, pending, resolved, closed"),
        (("ingest", str(tmp_path / "nowhere")), 2, "is not there"),
        (("dlq", "redrive"), 2, "--all"),
    ):
        ran = await run(tmp_path, desk.target, *arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran
        assert words in ran.err
    away = await run(tmp_path, "127.0.0.1:9", "ticket", "list")
    assert (away.code, away.err.count("\n")) == (1, 1)
    assert "make up" in away.err
    other = testing.Keys.create(tmp_path / "other" / "keys")
    assert other.jwks_file.exists()
    stranger = await run(tmp_path / "other", desk.target, "ticket", "list")
    assert stranger.code == 1
    assert "GROUNDLINE_HOME" in stranger.err


async def test_a_question_is_answered_with_its_sources(answering: Talk, tmp_path: Path) -> None:
    target = answering.gateway.target
    ran = await run(tmp_path, target, "ask", "How do I reset the router?")
    assert ran.code == 0, ran
    assert "[1]" in ran.out
    assert "manuals/reset.md" in ran.out
    asked = (await run(tmp_path, target, "ask", "How do I reset the router?", "--json")).json
    assert asked["outcome"] == "answered"
    assert asked["reply"]["citations"][0]["quote"]
    session_id = asked["session"]["session_id"]
    again = await run(tmp_path, target, "ask", "How do I reset the router again?", "--session", session_id, "--json")
    assert (again.code, again.json["session"]["session_id"]) == (0, session_id)
    shown = await run(tmp_path, target, "session", "show", session_id)
    assert shown.code == 0
    assert "How do I reset the router again?" in shown.out
    messages = (await run(tmp_path, target, "session", "show", session_id, "--json")).json["messages"]
    assert [each["role"] for each in messages] == ["MESSAGE_ROLE_CUSTOMER", "MESSAGE_ROLE_ASSISTANT"] * 2


async def test_a_question_is_handed_to_a_person(answering: Talk, tmp_path: Path) -> None:
    async def judge(_: evaluation.EvaluateRequest) -> evaluation.Verdict:
        return failed(reasons.REASON_CODE_NO_EVIDENCE)

    answering.script.judge = judge
    target = answering.gateway.target
    asking = asyncio.create_task(run(tmp_path, target, "ask", "Is the router waterproof?", "--json"))

    async def escalated() -> Any:
        return await answering.sql.fetchval("select session_id from conversation.sessions where status = 'escalated'")

    session_id = await testing.eventually(escalated, timeout_s=30)
    # What the relay does: the ticket's id comes a moment later.
    ticket_id = new_id()
    await answering.sql.execute(
        "update conversation.sessions set ticket_id = $2, revision = revision + 1 where session_id = $1",
        session_id,
        ticket_id,
    )
    ran = await asking
    assert ran.code == 4, ran
    told = ran.json
    assert (told["outcome"], told["reason"], told["ticket_id"]) == ("handed_over", "NO_EVIDENCE", str(ticket_id))
    assert told["reply"]["role"] == "MESSAGE_ROLE_SYSTEM"


async def test_no_outcome_in_time_keeps_the_question(talk: Talk, tmp_path: Path) -> None:
    ran = await run(tmp_path, talk.gateway.target, "ask", "Anybody there?", "--timeout", "1")
    assert (ran.code, ran.out) == (1, "")
    assert "groundline session show" in ran.err


class Shelf(knowledge_service_pb2_grpc.KnowledgeServiceServicer):
    """Takes documents in; those named `bad` turn out to be unreadable, and all are pending for the first two looks."""

    def __init__(self) -> None:
        self.documents: dict[str, knowledge_pb2.Document] = {}
        self.looks = 0
        self.deleted: list[str] = []

    async def CreateDocument(self, request: Any, context: Any) -> knowledge_service_pb2.CreateDocumentResponse:
        changed = request.uri not in self.documents
        document = self.documents.setdefault(
            request.uri,
            knowledge_pb2.Document(
                doc_id=str(new_id()), uri=request.uri, acl=request.acl, state=knowledge_pb2.DOCUMENT_STATE_PENDING
            ),
        )
        return knowledge_service_pb2.CreateDocumentResponse(document=document, changed=changed)

    async def ListDocuments(self, request: Any, context: Any) -> knowledge_service_pb2.ListDocumentsResponse:
        self.looks += 1
        if self.looks > 2:
            for each in self.documents.values():
                bad = "bad" in each.uri
                each.state = knowledge_pb2.DOCUMENT_STATE_FAILED if bad else knowledge_pb2.DOCUMENT_STATE_INDEXED
                each.error = "no text in it" if bad else ""
        found = [each for each in self.documents.values() if not request.state or each.state == request.state]
        found = [each for each in found if not request.uri or each.uri == request.uri]
        return knowledge_service_pb2.ListDocumentsResponse(documents=found)

    async def DeleteDocument(self, request: Any, context: Any) -> knowledge_service_pb2.DeleteDocumentResponse:
        self.deleted.append(request.doc_id)
        return knowledge_service_pb2.DeleteDocumentResponse()


async def test_files_are_taken_in_and_waited_for(keys: testing.Keys, tmp_path: Path) -> None:
    shelf, folder = Shelf(), tmp_path / "docs"  # type: ignore[abstract]
    for name in ("a.md", "sub/b.html", "sub/bad.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}")
    (folder / "empty.md").write_text(" \n")
    (folder / "index.md").write_text("---\ntitle: Index\n---\n")
    add = knowledge_service_pb2_grpc.add_KnowledgeServiceServicer_to_server
    async with testing.serve(Service(add, shelf), keys=keys) as served:
        ran = await run(tmp_path, served.target, "ingest", str(folder), "--acl", "group:a", "--json")
        assert ran.code == 1, ran
        assert [each["uri"] for each in ran.json["changed"]] == ["a.md", "sub/b.html"]
        assert ran.json["failed"] == [{"uri": "sub/bad.txt", "reason": "no text in it"}]
        assert ran.json["empty"] == ["empty.md", "index.md"]
        assert list(shelf.documents["a.md"].acl) == ["group:a"]
        assert shelf.looks >= 3
        again = await run(tmp_path, served.target, "ingest", str(folder / "a.md"), "--no-wait")
        assert (again.code, again.out) == (0, "0 taken in, 1 unchanged, 0 without text, 0 refused (default)\n")
        listed = await run(tmp_path, served.target, "document", "list")
        assert "sub/b.html" in listed.out
        deleted = await run(tmp_path, served.target, "document", "delete", "a.md", "--json")
        assert deleted.json["deleted"] == shelf.deleted == [shelf.documents["a.md"].doc_id]
        missing = await run(tmp_path, served.target, "document", "delete", "c.md")
        assert (missing.code, missing.err) == (1, "groundline: default has no document c.md\n")


async def test_dead_commands_are_shown_and_driven_again(database_url: str, keys: testing.Keys, tmp_path: Path) -> None:
    from groundline.commands.v1 import command_service_pb2_grpc
    from meshkit.postgres import Database
    from svc_workers.command_log import CommandLog
    from svc_workers.servicer import CommandServicer

    async with AsyncExitStack() as stack:
        database = await Database.open(database_url, name="test", max_size=4)
        stack.push_async_callback(database.close)
        session_id = new_id()
        async with database.transaction() as conn:
            command = commands.AdvanceSession(session_id=str(session_id), message_id=str(new_id()))
            await outbox.put(conn, command, type="advance_session", key="advance:1", ordering_key=session_id)
        await database.execute(
            "update messaging.outbox set status = 'dead', attempts = 9, last_error = 'peer answered'"
        )
        servicer = CommandServicer(CommandLog(database))
        served = await stack.enter_async_context(
            testing.serve(Service(command_service_pb2_grpc.add_CommandServiceServicer_to_server, servicer), keys=keys)
        )
        listed = await run(tmp_path, served.target, "dlq", "list", "--json")
        (dead,) = listed.json["commands"]
        assert (dead["type"], dead["attempts"], dead["last_error"]) == ("advance_session", 9, "peer answered")
        shown = await run(tmp_path, served.target, "dlq", "show", dead["command_id"])
        assert "advance:1" in shown.out
        driven = await run(tmp_path, served.target, "dlq", "redrive", "--all")
        assert (driven.code, driven.out) == (0, "1 will be tried again\n")
        row = await database.fetchrow("select status, attempts from messaging.outbox")
        assert row is not None
        assert tuple(row) == ("pending", 0)


async def test_the_schema_is_brought_up_to_date_once(server_url: str, tmp_path: Path) -> None:
    import asyncpg

    name = f"test_migrate_{new_id().hex}"
    owner = await asyncpg.connect(server_url)
    try:
        await owner.execute(f'create database "{name}"')
        url = testing.database_url(server_url, name)
        first = await run(tmp_path, "127.0.0.1:9", "db", "migrate", "--database-url", url, "--json")
        assert first.json["applied"][0].startswith("0001_")
        second = await run(tmp_path, "127.0.0.1:9", "db", "migrate", "--database-url", url)
        assert (second.code, second.out) == (0, "the schema is up to date\n")
        gone = await run(
            tmp_path, "127.0.0.1:9", "db", "migrate", "--database-url", "postgresql://nobody@127.0.0.1:9/x"
        )
        assert (gone.code, gone.err.count("\n")) == (1, 1)
    finally:
        await owner.execute(f'drop database if exists "{name}" with (force)')
        await owner.close()


async def test_a_mirrored_comment_shows_who_wrote_it(desk: Desk, tmp_path: Path) -> None:
    made = await desk.ticket(customer_id="cust-7")
    request: service_pb.CreateCommentRequest = comment(
        made.ticket_id, body="And in winter?", source_message_id=str(new_id())
    )
    await desk.stub("service", "worker-delivery").CreateComment(request)
    shown = await run(tmp_path, desk.target, "ticket", "show", made.ticket_id)
    assert "customer cust-7 (public)" in shown.out
