"""A case as a document: found by agents while it waits for review, by those it is for once it is approved."""

import asyncio
import hashlib
from collections.abc import Mapping
from uuid import UUID

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import failpoints
from meshkit.ids import new_id
from meshkit.models.shelf import Shelf
from meshkit.objects import ObjectStore
from meshkit.outbox import Attempt, Dead, Done, Handler, Outcome, Retry
from meshkit.postgres import Database
from meshkit.telemetry import get_logger
from svc_workers import store
from svc_workers.embedding import ModelsChanged, PassageVectors
from svc_workers.languages import configuration_for
from svc_workers.passages import read_case

log = get_logger(__name__)

SOURCE = "case"
MAX_TITLE_CHARS = 1024
REVIEWERS = ("group:agents",)


class IndexCase(Handler[commands.IndexCase]):
    """Brings the search to the state that the case is in: whoever calls it however often, the row decides."""

    type, command = "index_case", commands.IndexCase
    timeout_s, concurrency = 120.0, 2

    def __init__(self, database: Database, objects: ObjectStore, shelf: Shelf) -> None:
        self._db = database
        self._objects = objects
        self._shelf = shelf

    async def handle(self, command: commands.IndexCase, attempt: Attempt) -> Outcome:
        """Embeds without holding anything, then writes what the case's state at that moment allows."""
        try:
            return await self._index(UUID(command.case_id))
        except ModelsChanged:
            return Retry("the knowledge base's embedding model changed meanwhile", 0, counts=False)

    async def _index(self, case_id: UUID) -> Outcome:
        async with self._db.connection() as conn:
            case = await store.load_case(conn, case_id)
        if case is None:
            return Dead("there is no such case")
        reading = await asyncio.to_thread(read_case, case.question, case.resolution, case.tags)
        async with self._db.connection() as conn:
            said = f"{case.question}\n{case.resolution}"
            configuration = await configuration_for(conn, "", said, own=case.configuration)
        texts = [each.matched for each in reading.passages]
        vectors = PassageVectors(self._db, self._shelf, case.knowledge_base, texts)
        await vectors.embed()
        chunks = [store.Indexed(new_id(), passage) for passage in reading.passages]
        doc_id = case.doc_id or new_id()
        content = case.resolution.encode()
        key = f"docs/raw/{SOURCE}/{doc_id}"
        if case.state != "rejected":
            await self._objects.put(key, content, content_type="text/plain")
        async with self._db.transaction() as conn:
            case = await store.load_case(conn, case_id, lock=True)
            if case is None:
                return Dead("there is no such case")
            groups = readers(case)
            if groups is None:
                if case.doc_id is not None:
                    await store.remove_document(conn, case.doc_id)
                return Done()
            if case.doc_id not in (None, doc_id):
                return Retry("the case got its document meanwhile", 0)
            kept = await store.put_case_document(
                conn,
                doc_id,
                case,
                title=" ".join(case.question.split())[:MAX_TITLE_CHARS],
                groups=groups,
                content_sha256=hashlib.sha256(content).hexdigest(),
                object_key=key,
            )
            await store.replace_chunks(
                conn,
                kept,
                chunks,
                knowledge_base=case.knowledge_base,
                groups=groups,
                own_configuration=case.configuration,
                configuration=configuration,
                vectors=await vectors.needed(conn),
            )
            await store.mark_indexed(conn, kept, len(chunks), configuration)
            if failpoints.ON:
                await failpoints.reach("worker.case.before_commit")
        if failpoints.ON:
            await failpoints.reach("worker.case.committed")
        log.info("case_indexed", case_id=str(case_id), state=case.state, chunks=len(chunks))
        return Done()


def readers(case: store.Case) -> tuple[str, ...] | None:
    """The groups that find the case; None once it is rejected."""
    by_state: Mapping[str, tuple[str, ...]] = {"pending_review": REVIEWERS, "approved": case.groups}
    return by_state.get(case.state)
