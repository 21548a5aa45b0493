"""A knowledge base into another embedding model, through the wire: complete, resumable, and no search notices it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import grpc
import numpy as np
import pytest

from groundline.commands.v1 import commands_pb2 as commands
from groundline.knowledge.v1 import knowledge_service_pb2 as kb
from groundline.knowledge.v1 import reindex_pb2 as rx
from meshkit import testing
from meshkit.errors import RemoteError, from_rpc_error
from meshkit.ids import new_id
from meshkit.models import minilm
from meshkit.models.onnx_file import GraphWriter
from meshkit.models.settings import EmbeddingSettings
from meshkit.models.shelf import Shelf
from meshkit.outbox import Attempt, Done, Retry

from .knowledge_desk import Caller, KnowledgeDesk, WordEmbedder, open_desk
from .test_cli import Ran, run

PAGES = {
    "reset.md": "# Reset\n\nHold the button for twelve seconds to reset the gateway to factory settings.",
    "guests.md": "# Guests\n\nSwitch the guest network on under Wireless and choose a password for it.",
    "codes.md": "---\ntitle: Codes\nkind: approved_record\nquestions:\n  - Lost code\n  - No code\n---\nAsk us.\n",
}
QUESTION = "How do I reset the gateway?"
MANY = 150


def build_model(home: Path, name: str = "tiny", dimension: int = 24) -> None:
    """A sentence model of another dimension: the mean of random word vectors."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    graph = GraphWriter(name, {"": 17})
    ids = graph.input("input_ids", np.int64, ("n", "s"))
    words = sorted(minilm.vocabulary(), key=minilm.vocabulary().__getitem__)
    table = np.random.default_rng(7).normal(size=(len(words), dimension)).astype(np.float32)
    rows = graph.node("Gather", [graph.weight("table", table), ids], "rows")
    graph.output(graph.node("ReduceMean", [rows], "pooled", axes=[1], keepdims=0), np.float32, ("n", dimension))
    (folder / "model.onnx").write_bytes(graph.to_bytes())
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def shelf(home: Path) -> Shelf:
    return Shelf(WordEmbedder(), "words", EmbeddingSettings(home=home).open_embedder)


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[KnowledgeDesk]:
    build_model(tmp_path)
    async with open_desk(database_url, keys, tmp_path, shelf=shelf(tmp_path)) as desk:
        admin = await desk.caller("admin")
        for uri, content in PAGES.items():
            await admin.write(uri, content)
        await desk.index()
        yield desk


async def start(admin: Caller, model: str = "tiny") -> Any:
    return (await admin.knowledge.StartReindex(rx.StartReindexRequest(model=model))).reindex


async def read(admin: Caller, reindex: Any) -> Any:
    return (await admin.knowledge.GetReindex(rx.GetReindexRequest(reindex_id=reindex.reindex_id))).reindex


async def switch(admin: Caller, reindex: Any) -> Any:
    async def served() -> bool:
        servers = (await read(admin, reindex)).servers
        return bool(servers) and all(each.ready for each in servers)

    await testing.eventually(served, timeout_s=20)
    request = rx.SwitchReindexRequest(reindex_id=reindex.reindex_id)
    return (await admin.knowledge.SwitchReindex(request)).reindex


async def refused(call: Any) -> RemoteError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def vectors(desk: KnowledgeDesk) -> dict[str, int]:
    rows = await desk.owner.fetch("select embedding_model, count(*) n from knowledge.doc_embeddings group by 1")
    return {row["embedding_model"]: row["n"] for row in rows}


async def test_searches_move_to_the_new_model_and_the_old_vectors_go(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    before = await admin.search(QUESTION)
    assert before.diagnostics.embedding_model == "words-64"
    reindex = await start(admin)
    assert (reindex.state, reindex.total_chunks) == (rx.REINDEX_STATE_RUNNING, 4)
    assert await start(admin) == reindex, "a repeat is the same one"
    early = await refused(admin.knowledge.SwitchReindex(rx.SwitchReindexRequest(reindex_id=reindex.reindex_id)))
    assert (early.reason, early.metadata["state"]) == ("REINDEX_STATE_INVALID", "running")

    await desk.index()
    ready = await read(admin, reindex)
    assert (ready.state, ready.embedded_chunks) == (rx.REINDEX_STATE_READY, 4)
    assert await vectors(desk) == {"words-64": 4, ready.embedding_model: 4}
    assert (await admin.search(QUESTION)).diagnostics.embedding_model == "words-64", "not before the switch"

    assert (await switch(admin, reindex)).state == rx.REINDEX_STATE_SWITCHED
    after = await admin.search(QUESTION)
    assert after.diagnostics.embedding_model == reindex.embedding_model
    # Random word vectors rank as they like; what is there to be found is all found.
    assert {each.doc_uri for each in after.evidence} == {each.doc_uri for each in before.evidence}
    (base,) = (await admin.knowledge.ListKnowledgeBases(kb.ListKnowledgeBasesRequest())).knowledge_bases
    assert base.embedding_model == reindex.embedding_model
    assert (await refused(start(admin))).reason == "EMBEDDING_MODEL_IN_FORCE"

    dropped = await admin.knowledge.DropFormerVectors(rx.DropFormerVectorsRequest(knowledge_base="default"))
    assert (list(dropped.embedding_models), dropped.vector_count) == (["words-64"], 4)
    due = await desk.owner.fetchval(
        "select next_attempt_at > now() + interval '20 s' from messaging.outbox where type = 'drop_vectors'"
    )
    assert due, "searches that began before the switch still need them"
    await desk.index()
    assert await vectors(desk) == {reindex.embedding_model: 4}
    assert len((await admin.search(QUESTION)).evidence) == len(before.evidence)


async def test_stored_passages_are_embedded_as_new_ones_are(desk: KnowledgeDesk, tmp_path: Path) -> None:
    admin = await desk.caller("admin")
    reindex = await start(admin)
    await desk.index()
    stored = await _vectors_of(desk, reindex.embedding_model)
    # The same documents anew, as a model's that is to come: now by the ingestion.
    for uri, content in PAGES.items():
        await admin.write(uri, content + "\n", source="again")
    await desk.index()
    anew = await _vectors_of(desk, reindex.embedding_model)
    assert sorted(stored) == sorted(anew) and len(anew) == 4


async def _vectors_of(desk: KnowledgeDesk, model: str) -> list[str]:
    query = "select embedding_vector::text v from knowledge.doc_embeddings where embedding_model = $1"
    return [row["v"] for row in await desk.owner.fetch(query, model)]


async def test_no_search_fails_or_mixes_while_it_is_switched(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    known = {"words-64": await _cosines(admin)}
    packs: list[tuple[bool, Any]] = []
    stop, switched = asyncio.Event(), asyncio.Event()

    async def search() -> None:
        while not stop.is_set():
            later = switched.is_set()
            packs.append((later, await admin.search(QUESTION)))

    searching = [asyncio.create_task(search()) for _ in range(4)]
    reindex = await start(admin)
    await desk.index()
    await switch(admin, reindex)
    switched.set()

    async def more() -> bool:
        return sum(later for later, _ in packs) >= 20

    await testing.eventually(more, timeout_s=20)
    stop.set()
    await asyncio.gather(*searching)
    known[reindex.embedding_model] = await _cosines(admin)
    assert {pack.diagnostics.embedding_model for _, pack in packs} == known.keys()
    for later, pack in packs:
        assert _cosines_of(pack) == known[pack.diagnostics.embedding_model]
        # Those that were under way at the switch may end in the former model, and no later one.
        assert pack.diagnostics.embedding_model == reindex.embedding_model or not later


async def _cosines(admin: Caller) -> dict[str, float]:
    return _cosines_of(await admin.search(QUESTION))


def _cosines_of(pack: Any) -> dict[str, float]:
    return {
        each.chunk_id: round(signal.score, 5)
        for each in pack.evidence
        for signal in each.signals
        if signal.name == "cosine"
    }


async def test_documents_that_come_meanwhile_are_in_both(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    reindex = await start(admin)
    await admin.write("new.md", "# Warranty\n\nThe warranty of a gateway ends after two years.")
    await admin.write("reset.md", "# Reset\n\nHold the button for ten seconds to reset the gateway.")
    await desk.index()
    assert await vectors(desk) == {"words-64": 5, reindex.embedding_model: 5}
    assert (await read(admin, reindex)).state == rx.REINDEX_STATE_READY
    await admin.write("newer.md", "# Returns\n\nA gateway may be returned within thirty days.")
    await desk.index()
    assert await vectors(desk) == {"words-64": 6, reindex.embedding_model: 6}
    await switch(admin, reindex)
    found = (await admin.search("Until when may I return it?")).evidence
    assert "newer.md" in {each.doc_uri for each in found}
    assert all("cosine" in {signal.name for signal in each.signals} for each in found)


async def test_an_ingestion_that_embedded_before_the_start_embeds_again(
    desk: KnowledgeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from svc_workers.embedding import PassageVectors

    admin = await desk.caller("admin")
    doc_id = (await admin.write("late.md", "# Late\n\nThis page comes while the reindex begins.")).document.doc_id
    embed, started = PassageVectors.embed, []

    async def embed_then_start(self: PassageVectors) -> None:
        await embed(self)
        if not started:
            started.append(await start(admin))

    monkeypatch.setattr(PassageVectors, "embed", embed_then_start)
    handler = desk.handlers["ingest_document"]
    command, attempt = commands.IngestDocument(doc_id=doc_id, version=1), Attempt(new_id(), f"ingest:{doc_id}:1", 1, 10)
    outcome = await handler.handle(command, attempt)
    assert isinstance(outcome, Retry) and not outcome.counts
    assert await handler.handle(command, attempt) == Done()
    await desk.index()
    assert await vectors(desk) == {"words-64": 5, started[0].embedding_model: 5}


async def test_a_killed_worker_s_successor_goes_on_where_it_was(
    desk: KnowledgeDesk, database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    admin = await desk.caller("admin")
    for first in range(0, MANY, 30):
        questions = "".join(f"  - What is number {number}\n" for number in range(first, first + 30))
        content = f"---\ntitle: Numbers\nkind: approved_record\nquestions:\n{questions}---\nA number.\n"
        await admin.write(f"many/{first}.md", content)
    await desk.index()
    reindex = await start(admin)
    chunk_ids = await desk.owner.fetch("select chunk_id from knowledge.doc_chunks order by 1")
    assert len(chunk_ids) == MANY + 4
    # The third batch has to wait for this chunk.
    holder = await asyncpg.connect(database_url)
    blocked = holder.transaction()
    await blocked.start()
    await holder.execute("select from knowledge.doc_chunks where chunk_id = $1 for update", chunk_ids[140][0])
    worker = await _start_worker(database_url, keys, tmp_path)
    try:
        await testing.eventually(lambda: _embedded(desk, reindex, 128), timeout_s=60)
        written = await desk.owner.fetch(
            "select chunk_id, created_at from knowledge.doc_embeddings where embedding_model = $1",
            reindex.embedding_model,
        )
        assert len(written) == 128
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    await blocked.rollback()
    await holder.close()
    worker = await _start_worker(database_url, keys, tmp_path)
    try:
        await testing.eventually(lambda: _embedded(desk, reindex, MANY + 4, "ready"), timeout_s=60)
    finally:
        worker.terminate()
        await worker.wait()
    assert await vectors(desk) == {"words-64": MANY + 4, reindex.embedding_model: MANY + 4}
    kept = await desk.owner.fetch(
        "select chunk_id, created_at from knowledge.doc_embeddings where embedding_model = $1 and chunk_id = any ($2)",
        reindex.embedding_model,
        [row["chunk_id"] for row in written],
    )
    assert sorted(map(tuple, kept)) == sorted(map(tuple, written)), "nothing was embedded twice"


async def _embedded(desk: KnowledgeDesk, reindex: Any, count: int, state: str = "running") -> bool:
    row = await desk.owner.fetchrow(
        "select embedded_chunks, state from knowledge.reindexes where reindex_id = $1", UUID(reindex.reindex_id)
    )
    return tuple(row) == (count, state)


async def _start_worker(database_url: str, keys: testing.Keys, home: Path) -> asyncio.subprocess.Process:
    url = testing.database_url(database_url, urlsplit(database_url).path.lstrip("/"), user="groundline_workers")
    settings = {
        "HOME": str(home),
        "DATABASE_URL": url,
        "SIGNING_KEY_FILE": str(keys.jwks_file.with_name("signing.pem")),
        "JWKS_FILE": str(keys.jwks_file),
        "OBJECT_STORE_URL": f"file://{home}/objects",
        "COMMAND_LEASE_S": "1",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "svc_workers",
        "knowledge",
        env={**os.environ, **{f"GROUNDLINE_{name}": value for name, value in settings.items()}},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def test_it_is_not_switched_to_what_a_replica_can_t_serve(
    desk: KnowledgeDesk, database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    admin = await desk.caller("admin")
    # Its machine has no such folder.
    (tmp_path / "other").mkdir()
    async with open_desk(database_url, keys, tmp_path / "other", shelf=shelf(tmp_path / "other")):
        reindex = await start(admin)
        await desk.index()

        async def both_said() -> bool:
            servers = (await read(admin, reindex)).servers
            return len(servers) == 2 and sum(each.ready for each in servers) == 1 and any(e.error for e in servers)

        await testing.eventually(both_said, timeout_s=20)
        no = await refused(admin.knowledge.SwitchReindex(rx.SwitchReindexRequest(reindex_id=reindex.reindex_id)))
        assert (no.reason, no.metadata["detail"][:18]) == ("EMBEDDING_MODEL_NOT_SERVED", "no embedding model")
        assert (await admin.search(QUESTION)).diagnostics.embedding_model == "words-64"
    # It has stopped, and said so.
    assert (await switch(admin, reindex)).state == rx.REINDEX_STATE_SWITCHED


async def test_given_up_and_begun_again(desk: KnowledgeDesk, tmp_path: Path) -> None:
    admin = await desk.caller("admin")
    assert (await refused(start(admin, "no-such-model"))).reason == "EMBEDDING_MODEL_UNUSABLE"
    assert (await refused(start(admin, "endpoint:nowhere"))).reason == "EMBEDDING_MODEL_UNUSABLE"
    reindex = await start(admin)
    build_model(tmp_path, "other", 12)
    assert (await refused(start(admin, "other"))).reason == "REINDEX_UNDER_WAY"
    aborted = await admin.knowledge.AbortReindex(rx.AbortReindexRequest(reindex_id=reindex.reindex_id))
    assert aborted.reindex.state == rx.REINDEX_STATE_ABORTED
    await desk.index()
    assert await vectors(desk) == {"words-64": 4}, "its command finds that nobody wants it"
    again = await start(admin)
    assert again.reindex_id != reindex.reindex_id
    await desk.index()
    await switch(admin, again)
    late = await refused(admin.knowledge.AbortReindex(rx.AbortReindexRequest(reindex_id=again.reindex_id)))
    assert late.reason == "REINDEX_STATE_INVALID"
    listed = (await admin.knowledge.ListReindexes(rx.ListReindexesRequest(knowledge_base="default"))).reindexes
    assert [each.reindex_id for each in listed] == [again.reindex_id, reindex.reindex_id]


async def test_what_fails_to_the_end_is_said_and_goes_on_when_asked(desk: KnowledgeDesk, tmp_path: Path) -> None:
    admin = await desk.caller("admin")
    reindex = await start(admin)
    desk.handlers["reindex_passages"]._shelf = Shelf(WordEmbedder())
    command = commands.ReindexPassages(reindex_id=reindex.reindex_id, step=1)
    assert await desk.handlers["reindex_passages"].handle(command, Attempt(new_id(), "last", 10, 10)) == Done()
    failed = await read(admin, reindex)
    assert failed.state == rx.REINDEX_STATE_FAILED and "tiny" in failed.error
    desk.handlers["reindex_passages"]._shelf = shelf(tmp_path)
    again = await start(admin)
    assert (again.reindex_id, again.state) == (reindex.reindex_id, rx.REINDEX_STATE_RUNNING)
    await desk.index()
    assert (await switch(admin, again)).state == rx.REINDEX_STATE_SWITCHED


async def test_the_command_starts_waits_and_switches(desk: KnowledgeDesk, keys: testing.Keys, tmp_path: Path) -> None:
    key = {"GROUNDLINE_SIGNING_KEY_FILE": str(keys.jwks_file.with_name("signing.pem"))}

    async def groundline(*arguments: str) -> Ran:
        return await run(tmp_path, desk.served.target, "reindex", *arguments, **key)

    wrong = await groundline("--model", "tiny", "--status")
    assert wrong.code == 2
    never = await groundline("--status")
    assert (never.code, "never reindexed" in never.err) == (1, True)
    moving = asyncio.create_task(groundline("--model", "tiny", "--json"))

    async def worked() -> bool:
        return await desk.index() > 0

    await testing.eventually(worked, timeout_s=60)
    moved = await moving
    assert moved.code == 0, moved.err
    assert moved.json["reindex"]["state"] == "REINDEX_STATE_SWITCHED"
    shown = await groundline("--status")
    assert shown.code == 0 and "switched" in shown.out and "4 of 4" in shown.out
    late = await groundline("--abort")
    assert (late.code, "REINDEX_STATE_INVALID" in late.err) == (1, True)
    dropped = await groundline("--drop-old", "--json")
    assert dropped.json["embedding_models"] == ["words-64"]
