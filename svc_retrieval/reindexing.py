"""A knowledge base's way into another embedding model: begun, watched, switched, given up."""

from collections.abc import Sequence
from uuid import UUID

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import outbox
from meshkit.errors import DomainError
from meshkit.ids import new_id
from meshkit.models.errors import ModelCorrupt
from meshkit.models.shelf import NamedModel
from meshkit.postgres import Connection, Database
from meshkit.telemetry import get_logger
from svc_retrieval.errors import (
    EmbeddingModelInForce,
    EmbeddingModelNotServed,
    EmbeddingModelUnusable,
    KnowledgeBaseNotFound,
    ReindexNotFound,
    ReindexStateInvalid,
    ReindexUnderWay,
)
from svc_retrieval.spaces import Spaces
from svc_retrieval.store import models
from svc_retrieval.store import reindexes as store
from svc_retrieval.store.models import ServerRow
from svc_retrieval.store.reindexes import ReindexRow
from svc_retrieval.store.search import check_name

log = get_logger(__name__)

# What pgvector's index takes.
MOST_NUMBERS = 2000
# Longer than a search may take: none that began in the former model is under way when its vectors go.
DROP_DELAY_S = 30.0
_OVER = ("switched", "aborted", "failed")


class Reindexing:
    """All reindexes of all knowledge bases."""

    def __init__(self, database: Database, spaces: Spaces) -> None:
        self._db = database
        self._spaces = spaces

    async def start(self, knowledge_base: str, spec: str, by: str) -> ReindexRow:
        """The reindex, new or under way already, or a failed one that goes on.

        Raises KnowledgeBaseNotFound, EmbeddingModelUnusable, EmbeddingModelInForce, ReindexUnderWay.
        """
        try:
            embedder = await self._spaces.open(spec)
            check_name(embedder.name)
            if embedder.dimension > MOST_NUMBERS:
                raise ModelCorrupt(f"its vectors have {embedder.dimension} numbers; {MOST_NUMBERS} can be indexed")
            await embedder.warm()
        except (ModelCorrupt, DomainError, ValueError) as exc:
            raise EmbeddingModelUnusable(model=spec, detail=str(exc)[:300]) from exc
        name = embedder.name
        async with self._db.transaction() as conn:
            await models.register(conn, NamedModel(name, spec), embedder.dimension)
            former = await store.lock_base(conn, knowledge_base)
            if former is None:
                raise KnowledgeBaseNotFound(knowledge_base=knowledge_base)
            if (before := await store.under_way(conn, knowledge_base)) is not None:
                if before.embedding_model == name:
                    return before
                raise ReindexUnderWay(
                    knowledge_base=knowledge_base, reindex_id=before.reindex_id, model=before.embedding_model
                )
            if former == name:
                raise EmbeddingModelInForce(knowledge_base=knowledge_base, model=name)
            if (failed := await store.failed(conn, knowledge_base, name)) is not None:
                started = await store.resume(conn, failed.reindex_id)
            else:
                started = await store.insert(
                    conn, new_id(), knowledge_base, model=name, spec=spec, former=former, by=by
                )
            await _command(conn, started)
        log.info("reindex_started", reindex_id=str(started.reindex_id), knowledge_base=knowledge_base, model=name)
        return started

    async def read(self, reindex_id: UUID) -> tuple[ReindexRow, Sequence[ServerRow]]:
        """The reindex, and while it is not over what the replicas say of its model. Raises ReindexNotFound."""
        async with self._db.connection() as conn:
            found = await store.read(conn, reindex_id)
            if found is None:
                raise ReindexNotFound(reindex_id=reindex_id)
            servers = [] if found.state in _OVER else await models.servers_of(conn, found.embedding_model)
        return found, servers

    async def page(self, *, knowledge_base: str | None, before: UUID | None, limit: int) -> Sequence[ReindexRow]:
        """Reindexes, newest first, older than `before`."""
        async with self._db.connection() as conn:
            return await store.page(conn, knowledge_base=knowledge_base, before=before, limit=limit)

    async def switch(self, reindex_id: UUID) -> ReindexRow:
        """Puts the new model in force. Raises ReindexNotFound, ReindexStateInvalid, EmbeddingModelNotServed."""
        found, _ = await self.read(reindex_id)
        async with self._db.transaction() as conn:
            # In the order in which whoever writes vectors takes them.
            await store.lock_base(conn, found.knowledge_base)
            found = await _locked(conn, reindex_id)
            if found.state == "switched":
                return found
            if found.state != "ready":
                raise ReindexStateInvalid(reindex_id=reindex_id, state=found.state)
            servers = await models.servers_of(conn, found.embedding_model)
            for each in servers:
                if not each.ready:
                    raise EmbeddingModelNotServed(
                        reindex_id=reindex_id,
                        model=found.embedding_model,
                        replica_id=each.replica_id,
                        detail=each.error or "not loaded yet",
                    )
            if not servers:
                raise EmbeddingModelNotServed(
                    reindex_id=reindex_id, model=found.embedding_model, replica_id="", detail="no replica is alive"
                )
            if await store.missing_vectors(conn, found.knowledge_base, found.embedding_model):
                # A document came in while the worker could not embed in the new model: it has to go over them again.
                found = await store.resume(conn, reindex_id)
                await _command(conn, found)
            else:
                await store.put_in_force(conn, found.knowledge_base, found.embedding_model)
                found = await store.set_state(conn, reindex_id, "switched")
        if found.state != "switched":
            raise ReindexStateInvalid(reindex_id=reindex_id, state=found.state)
        log.info("reindex_switched", reindex_id=str(reindex_id), model=found.embedding_model)
        return found

    async def abort(self, reindex_id: UUID) -> ReindexRow:
        """Raises ReindexNotFound, ReindexStateInvalid once it is switched."""
        async with self._db.transaction() as conn:
            found = await _locked(conn, reindex_id)
            if found.state == "switched":
                raise ReindexStateInvalid(reindex_id=reindex_id, state=found.state)
            if found.state != "aborted":
                found = await store.set_state(conn, reindex_id, "aborted")
                log.info("reindex_aborted", reindex_id=str(reindex_id))
        return found

    async def drop_former(self, knowledge_base: str) -> dict[str, int]:
        """Has vectors deleted that the knowledge base is not searched with, and says how many of which model.

        Raises KnowledgeBaseNotFound.
        """
        async with self._db.transaction() as conn:
            if await store.lock_base(conn, knowledge_base) is None:
                raise KnowledgeBaseNotFound(knowledge_base=knowledge_base)
            former = await store.former_vectors(conn, knowledge_base)
            if former:
                await outbox.put(
                    conn,
                    commands.DropVectors(knowledge_base=knowledge_base),
                    type="drop_vectors",
                    key=f"drop-vectors:{new_id()}",
                    delay_s=DROP_DELAY_S,
                )
        return former


async def _locked(conn: Connection, reindex_id: UUID) -> ReindexRow:
    found = await store.read(conn, reindex_id, lock=True)
    if found is None:
        raise ReindexNotFound(reindex_id=reindex_id)
    return found


async def _command(conn: Connection, started: ReindexRow) -> None:
    await outbox.put(
        conn,
        commands.ReindexPassages(reindex_id=str(started.reindex_id), step=started.step),
        type="reindex_passages",
        key=f"reindex:{started.reindex_id}:{started.step}",
    )
