"""Documents in, and out: the row, the original and the command to index it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import outbox
from meshkit.ids import new_id
from meshkit.objects import ObjectStore
from meshkit.postgres import Connection, Database
from meshkit.telemetry import get_logger
from meshkit.text.languages import configuration_of
from svc_retrieval.audience import Audience
from svc_retrieval.errors import DocumentNotFound, KnowledgeBaseNotFound
from svc_retrieval.properties import DEFAULT_LANGUAGE, Described, Submission, describe, object_key
from svc_retrieval.store import bases, requests
from svc_retrieval.store import documents as store
from svc_retrieval.store.documents import Content, DocumentRow
from svc_retrieval.store.requests import Answer, Request

log = get_logger(__name__)

# To whom the writer's own answer is shown: who may write documents sees them all.
_WRITER = Audience((), sees_everything=True)


class _Raced(Exception):
    """Another call wrote the same uri or request_id first; look again."""


class Documents:
    """All documents of all knowledge bases."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._db = database
        self._objects = objects

    async def create(self, submission: Submission, request: Request) -> tuple[DocumentRow, bool]:
        """The document, and whether this made a new version of it.

        Nothing changes for the same content and properties, unless that version could not be read before, or was
        indexed before its language counted: then it is tried again. Raises KnowledgeBaseNotFound, MediaTypeUnsupported,
        InvalidRequest, RequestIdReused.
        """
        described = describe(submission, now=datetime.now(UTC))
        while True:
            try:
                answer = await self._create(submission, described, request)
            except _Raced:
                continue
            return await self.read(UUID(answer.resource), _WRITER), answer.changed

    async def read(self, doc_id: UUID, audience: Audience) -> DocumentRow:
        """Raises DocumentNotFound, also where `audience` may not read it."""
        async with self._db.connection() as conn:
            found = await store.read_documents(conn, audience, doc_id=doc_id)
        if not found:
            raise DocumentNotFound(doc_id=doc_id)
        return found[0]

    async def page(
        self,
        audience: Audience,
        *,
        knowledge_base: str | None,
        state: str | None,
        uri: str | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[DocumentRow]:
        """Documents by id, from behind `after`. Without `state` all but deleted ones."""
        async with self._db.connection() as conn:
            return await store.read_documents(
                conn, audience, knowledge_base=knowledge_base, state=state, uri=uri, after=after, limit=limit
            )

    async def delete(self, doc_id: UUID) -> None:
        """From the return on nothing is found in it. Raises DocumentNotFound."""
        async with self._db.transaction() as conn:
            state = await store.lock_state(conn, doc_id)
            if state is None:
                raise DocumentNotFound(doc_id=doc_id)
            if state != "deleted":
                await store.delete_document(conn, doc_id)
                log.info("document_deleted", doc_id=str(doc_id))

    async def _create(self, submission: Submission, described: Described, request: Request) -> Answer:
        async with self._db.connection() as conn:
            if before := await requests.answered(conn, request):
                return before
            if not await bases.base_exists(conn, submission.knowledge_base):
                raise KnowledgeBaseNotFound(knowledge_base=submission.knowledge_base)
            found = await store.find_document(conn, submission.knowledge_base, submission.uri)
        doc_id = found.doc_id if found else new_id()
        key = object_key(described.content, doc_id)
        if found is None or not _unchanged(found, described):
            # Before the row, or a worker could look for what is not there yet; under no lock, since it may take long.
            await self._objects.put(key, submission.content, content_type=described.content.media_type)
        async with self._db.transaction() as conn:
            answer = await _write(conn, submission, described, doc_id, key)
            if not await requests.remember(conn, request, answer):
                raise _Raced()
        if answer.changed:
            log.info("document_written", doc_id=answer.resource, knowledge_base=submission.knowledge_base)
        return answer


async def _write(conn: Connection, submission: Submission, described: Described, doc_id: UUID, key: str) -> Answer:
    locked = await store.lock_document(conn, submission.knowledge_base, submission.uri)
    if locked is not None and locked.doc_id != doc_id:
        raise _Raced()
    if locked is not None and _unchanged(locked, described):
        return Answer(str(doc_id), changed=False)
    if locked is None:
        version = await store.insert_document(
            conn, doc_id, submission.knowledge_base, submission.uri, described.content, key
        )
        if version is None:
            raise _Raced()
    else:
        version = await store.update_document(conn, doc_id, described.content, key)
    await outbox.put(
        conn,
        commands.IngestDocument(doc_id=str(doc_id), version=version),
        type="ingest_document",
        key=f"ingest:{doc_id}:{version}",
        ordering_key=doc_id,
    )
    return Answer(str(doc_id), changed=True)


def _unchanged(stored: DocumentRow, described: Described) -> bool:
    if stored.state in ("deleted", "failed") or _stemmed_as_english(stored):
        return False
    return stored.content == _as_dated(described, stored.content)


def _stemmed_as_english(stored: DocumentRow) -> bool:
    """Whether the document states a language that did not count yet when it was indexed."""
    states_another = configuration_of(stored.content.language) not in ("", configuration_of(DEFAULT_LANGUAGE))
    return stored.state == "indexed" and stored.configuration is None and states_another


def _as_dated(described: Described, stored: Content) -> Content:
    # Nobody said when it was changed: it was then, and "now" would make every repeat a new version.
    return described.content if described.dated else replace(described.content, updated_at=stored.updated_at)
