"""The knowledge worker through the wire: documents in, changed, gone, unreadable."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import testing
from svc_workers.wiring import wire_knowledge

from .worker_mesh import PAGE, Mesh, add_document, chunks, ingest, run, statistics_agree


@pytest.fixture
async def knowledge(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Mesh]:
    async with run(wire_knowledge, database_url, keys, tmp_path) as mesh:
        yield mesh


async def test_a_document_is_indexed_and_a_changed_one_replaces_its_chunks(knowledge: Mesh) -> None:
    doc_id = await add_document(knowledge, PAGE.encode(), groups=["group:b", "group:a"])
    row = await ingest(knowledge, doc_id)
    assert (row["state"], row["indexed_version"], row["chunk_count"], row["error"]) == ("indexed", 1, 1, "")
    (chunk,) = await chunks(knowledge, doc_id)
    assert chunk["text"].startswith("Hold RESET for 12 seconds to clear E-4012.\n\n| SKU | Plug |")
    assert "id:e4012" in chunk["tsvector_column"] and "id:lm3proeu" in chunk["tsvector_column"]
    assert chunk["acl"] == chunk["vector_acl"] == ["group:a", "group:b"]
    assert chunk["dims"] == 384 and chunk["word_count"] > 5
    metadata = json.loads(chunk["metadata_json"])
    text = json.loads(await knowledge.objects.get(f"docs/text/{doc_id}.json"))
    assert text["text"][metadata["span_start"] : metadata["span_end"]] == chunk["text"]
    assert await knowledge.db.fetchval("select name from knowledge.embedding_models") == chunk["embedding_model"]

    await add_document(knowledge, b"# Other\n\nNothing of before.\n", doc_id=doc_id, version=2)
    row = await ingest(knowledge, doc_id, 2)
    assert (row["state"], row["indexed_version"], row["chunk_count"]) == ("indexed", 2, 1)
    (changed,) = await chunks(knowledge, doc_id)
    assert changed["text"] == "Nothing of before." and changed["chunk_id"] != chunk["chunk_id"]
    assert json.loads(await knowledge.objects.get(f"docs/text/{doc_id}.json"))["version"] == 2
    await statistics_agree(knowledge)


async def test_an_older_version_and_a_deleted_document_are_left_alone(knowledge: Mesh) -> None:
    doc_id = await add_document(knowledge, b"second\n", version=2)
    row = await ingest(knowledge, doc_id, 1)
    assert (row["state"], row["indexed_version"]) == ("pending", 0)
    await knowledge.db.execute("update knowledge.documents set state = 'deleted' where doc_id = $1", doc_id)
    row = await ingest(knowledge, doc_id, 2)
    assert (row["state"], row["indexed_version"]) == ("deleted", 0)
    assert await chunks(knowledge, doc_id) == []


async def test_a_delivery_that_comes_twice_changes_nothing(knowledge: Mesh) -> None:
    doc_id = await add_document(knowledge, PAGE.encode())
    await ingest(knowledge, doc_id)
    before = await chunks(knowledge, doc_id)
    await knowledge.db.execute("update messaging.outbox set status = 'pending', next_attempt_at = now()")
    await knowledge.settled(f"ingest:{doc_id}:1")
    assert [each["chunk_id"] for each in await chunks(knowledge, doc_id)] == [each["chunk_id"] for each in before]


@pytest.mark.parametrize(
    ("content", "media_type", "error"),
    [
        (b"caf\xe9", "text/plain", "The document is not UTF-8 text: byte 3 can't be read."),
        (b"---\ntitle: x\n---\n", "text/markdown", "The document has no text."),
        (b"%PDF-1.7", "application/pdf", "Documents of type 'application/pdf' can't be read"),
        (b"---\nacl: {a: b}\n---\nx\n", "text/markdown", "The property acl must be a list of texts."),
        (b"<div>" * 5000 + b"x", "text/html", "The document is nested too deeply to be read."),
    ],
)
async def test_an_unreadable_document_fails_with_a_sentence_and_does_not_loop(
    knowledge: Mesh, content: bytes, media_type: str, error: str
) -> None:
    doc_id = await add_document(knowledge, content, media_type=media_type)
    row = await ingest(knowledge, doc_id)
    assert (row["state"], row["indexed_version"]) == ("failed", 0)
    assert row["error"].startswith(error)


async def test_a_record_is_stored_once_for_each_way_to_ask_and_to_the_letter(knowledge: Mesh) -> None:
    wording = "Hello and *welcome*.\n\nAsk  me anything."
    content = f"---\ntitle: Greeting\nkind: approved_record\nquestions:\n  - Hello\n  - Hi there\n---\n{wording}\n"
    doc_id = await add_document(knowledge, content.encode(), kind="approved_record", title="Greeting")
    row = await ingest(knowledge, doc_id)
    assert row["chunk_count"] == 2
    found = await chunks(knowledge, doc_id)
    assert [each["text"] for each in found] == [wording, wording]
    assert [json.loads(each["metadata_json"])["question"] for each in found] == ["Hello", "Hi there"]
    assert "hello" in found[0]["tsvector_column"] and "welcom" not in found[0]["tsvector_column"]


async def test_documents_that_come_at_once_keep_the_statistics_right(knowledge: Mesh) -> None:
    documents = [
        await add_document(knowledge, f"# Page {number}\n\nThe value is {number}.\n".encode()) for number in range(8)
    ]
    for doc_id in documents:
        await knowledge.put(
            commands.IngestDocument(doc_id=str(doc_id), version=1), "ingest_document", f"ingest:{doc_id}:1"
        )
    for doc_id in documents:
        await knowledge.settled(f"ingest:{doc_id}:1")
    assert await knowledge.db.fetchval("select count(*) from knowledge.documents where state = 'indexed'") == 8
    await statistics_agree(knowledge)
