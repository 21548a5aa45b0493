"""A document's way into the search: read, divided, embedded, and exchanged for its former self in one transaction."""

import asyncio
import json
from uuid import UUID

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import failpoints, inbox
from meshkit.ids import new_id
from meshkit.models.shelf import Shelf
from meshkit.objects import ObjectMissing, ObjectStore
from meshkit.outbox import Attempt, Dead, Done, Handler, Outcome, Retry
from meshkit.postgres import Database
from meshkit.telemetry import get_logger
from svc_workers import store
from svc_workers.embedding import ModelsChanged, PassageVectors
from svc_workers.extraction import Unreadable
from svc_workers.languages import configuration_for
from svc_workers.passages import Reading, read_document

log = get_logger(__name__)

CONSUMER = "ingest_document"


class IngestDocument(Handler[commands.IngestDocument]):
    """Indexes one version of a document, unless a newer one is there or it was deleted.

    A document that can't be read is marked as failed, with a sentence for its author: trying again would not help.
    """

    type, command = "ingest_document", commands.IngestDocument
    timeout_s, concurrency = 300.0, 2

    def __init__(self, database: Database, objects: ObjectStore, shelf: Shelf) -> None:
        self._db = database
        self._objects = objects
        self._shelf = shelf

    async def handle(self, command: commands.IngestDocument, attempt: Attempt) -> Outcome:
        """Reads and embeds without holding anything, then exchanges the chunks if the version still counts."""
        async with self._db.connection() as conn:
            document = await store.load_document(conn, UUID(command.doc_id))
        if document is None:
            return Dead("there is no such document")
        if document.state == "deleted" or document.version != command.version:
            return Done()
        try:
            raw = await self._objects.get(document.object_key)
        except ObjectMissing:
            return Retry("the document's content is not in the object store")
        try:
            reading = await asyncio.to_thread(
                read_document, raw, media_type=document.media_type, kind=document.kind, title=document.title
            )
        except Unreadable as exc:
            await self._fail(document, attempt, str(exc))
            return Done()
        async with self._db.connection() as conn:
            configuration = await configuration_for(
                conn, reading.language, reading.extracted.text, own=document.configuration
            )
        texts = [each.matched for each in reading.passages]
        vectors = PassageVectors(self._db, self._shelf, document.knowledge_base, texts)
        await vectors.embed()
        try:
            exchanged = await self._exchange(document, reading, configuration, vectors, attempt)
        except ModelsChanged:
            return Retry("the knowledge base's embedding model changed meanwhile", 0, counts=False)
        if exchanged:
            log.info("document_indexed", doc_id=command.doc_id, version=command.version, chunks=len(texts))
        return Done()

    async def _exchange(
        self,
        document: store.Document,
        reading: Reading,
        configuration: str,
        vectors: PassageVectors,
        attempt: Attempt,
    ) -> bool:
        async with self._db.transaction() as conn:
            if await store.lock_version(conn, document.doc_id) != (document.version, document.state):
                # Its next version has a command of its own; a deleted document has nothing to be found.
                return False
            if not await inbox.first_time(conn, CONSUMER, attempt.key):
                return False
            # Under the lock, so that the text of an older version never replaces that of a newer one.
            await self._objects.put(text_key(document.doc_id), _text_json(document, reading), content_type=_JSON)
            await store.replace_chunks(
                conn,
                document.doc_id,
                [store.Indexed(new_id(), passage) for passage in reading.passages],
                knowledge_base=document.knowledge_base,
                groups=document.groups,
                own_configuration=document.configuration,
                configuration=configuration,
                vectors=await vectors.needed(conn),
            )
            await store.mark_indexed(conn, document.doc_id, len(reading.passages), configuration)
            if failpoints.ON:
                await failpoints.reach("worker.document.before_commit")
        if failpoints.ON:
            await failpoints.reach("worker.document.committed")
        return True

    async def _fail(self, document: store.Document, attempt: Attempt, error: str) -> None:
        async with self._db.transaction() as conn:
            await inbox.first_time(conn, CONSUMER, attempt.key)
            if await store.mark_failed(conn, document.doc_id, document.version, error):
                log.warning("document_unreadable", doc_id=str(document.doc_id), version=document.version)


_JSON = "application/json"


def text_key(doc_id: UUID) -> str:
    """Where a document's extracted text lies in the object store."""
    return f"docs/text/{doc_id}.json"


def _text_json(document: store.Document, reading: Reading) -> bytes:
    blocks = [
        {"kind": block.kind, "start": start, "end": end, **({"level": block.level} if block.level else {})}
        for block, (start, end) in zip(reading.extracted.blocks, reading.extracted.spans, strict=True)
    ]
    content = {
        "doc_id": str(document.doc_id),
        "version": document.version,
        "uri": document.uri,
        "title": document.title,
        "text": reading.extracted.text,
        "blocks": blocks,
    }
    return json.dumps(content, ensure_ascii=False).encode()
