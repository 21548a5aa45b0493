"""A knowledge base's way into another embedding model: passages, batch by batch, beside the index that serves."""

import time
from uuid import UUID

import asyncpg

from groundline.commands.v1 import commands_pb2 as commands
from meshkit import outbox
from meshkit.models.errors import ModelCorrupt
from meshkit.models.shelf import NamedModel, Shelf
from meshkit.outbox import Attempt, Dead, Done, Handler, Outcome
from meshkit.postgres import Database
from meshkit.telemetry import get_logger
from svc_workers import reindexing as store
from svc_workers.embedding import embed_all
from svc_workers.passages import matched_again

log = get_logger(__name__)

BATCH = 64
# After that the next command goes on, so that no attempt is long and a worker that stops is waited for shortly.
STEP_S = 20.0


class ReindexPassages(Handler[commands.ReindexPassages]):
    """Embeds chunks that have no vector in the new model yet, oldest first.

    Each batch commits with the place up to which it has come: whoever goes on after a crash begins there. Chunks that
    come in meanwhile are the ingestion's, which writes vectors in both models from the moment of the start on.
    """

    type, command = "reindex_passages", commands.ReindexPassages
    timeout_s, concurrency = 300.0, 1

    def __init__(self, database: Database, shelf: Shelf, *, step_s: float = STEP_S, batch: int = BATCH) -> None:
        self._db = database
        self._shelf = shelf
        self._step_s = step_s
        self._batch = batch

    async def handle(self, command: commands.ReindexPassages, attempt: Attempt) -> Outcome:
        """Works for a while, then hands over to the next command, or says that all is embedded."""
        async with self._db.connection() as conn:
            reindex = await store.load(conn, UUID(command.reindex_id))
        if reindex is None:
            return Dead("there is no such reindex")
        if (reindex.state, reindex.step) != ("running", command.step):
            return Done()
        try:
            await self._work(reindex)
        except Exception as exc:
            if attempt.number < attempt.max_attempts:
                raise
            # Nobody would ever look at it again; its author may start it anew.
            log.exception("reindex_failed", reindex_id=command.reindex_id)
            detail = str(exc) if isinstance(exc, ModelCorrupt) else type(exc).__name__
            async with self._db.transaction() as conn:
                await store.end(conn, reindex, "failed", detail[:500])
        return Done()

    async def _work(self, reindex: store.Reindex) -> None:
        embedder = await self._shelf.named(NamedModel(reindex.embedding_model, reindex.spec))
        began, after = time.monotonic(), reindex.last_chunk_id
        while True:
            async with self._db.connection() as conn:
                chunks = await store.unembedded(conn, reindex, after, self._batch)
            if not chunks:
                if await self._finish(reindex):
                    return
                after = None
                continue
            texts = [matched_again(each.title, each.metadata, each.text, each.tags) for each in chunks]
            vectors = await embed_all(embedder, texts)
            last = time.monotonic() - began >= self._step_s
            try:
                if not await self._write(reindex, chunks, vectors, last=last) or last:
                    return
            except asyncpg.ForeignKeyViolationError:
                # A document went while its passages were embedded: look again at what is there.
                continue
            after = chunks[-1].chunk_id

    async def _write(
        self, reindex: store.Reindex, chunks: list[store.Chunk], vectors: list[object], *, last: bool
    ) -> bool:
        """False if somebody else works on it by now, or nobody is to."""
        async with self._db.transaction() as conn:
            if await store.lock(conn, reindex.reindex_id) != ("running", reindex.step):
                return False
            step = reindex.step + 1 if last else reindex.step
            await store.write_batch(conn, reindex, chunks, vectors, step)
            if last:
                await outbox.put(
                    conn,
                    commands.ReindexPassages(reindex_id=str(reindex.reindex_id), step=step),
                    type=self.type,
                    key=f"reindex:{reindex.reindex_id}:{step}",
                )
        return True

    async def _finish(self, reindex: store.Reindex) -> bool:
        """False if chunks without a vector are left behind the place up to which this has come."""
        async with self._db.transaction() as conn:
            if await store.lock(conn, reindex.reindex_id) != ("running", reindex.step):
                return True
            if await store.missing_vectors(conn, reindex):
                await store.go_back(conn, reindex, reindex.step)
                return False
            await store.end(conn, reindex, "ready")
        log.info("reindex_ready", reindex_id=str(reindex.reindex_id), model=reindex.embedding_model)
        return True
