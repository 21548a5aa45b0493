"""Vectors of models that a knowledge base is not searched with any more."""

from groundline.commands.v1 import commands_pb2 as commands
from meshkit.models.shelf import Shelf
from meshkit.outbox import Attempt, Done, Handler, Outcome
from meshkit.postgres import Database
from meshkit.telemetry import get_logger
from svc_workers import reindexing, store

log = get_logger(__name__)

BATCH = 2000


class DropVectors(Handler[commands.DropVectors]):
    """Deletes what is neither in force nor to come at that moment, then the indexes of models without any vector."""

    type, command = "drop_vectors", commands.DropVectors
    timeout_s, concurrency = 300.0, 1

    def __init__(self, database: Database, shelf: Shelf) -> None:
        self._db = database
        self._shelf = shelf

    async def handle(self, command: commands.DropVectors, attempt: Attempt) -> Outcome:
        """Deletes in small transactions: a switch or a start waits for one of them at most."""
        count = 0
        while True:
            async with self._db.transaction() as conn:
                models = await store.needed_models(conn, command.knowledge_base, lock=True)
                needed = [each.name or self._shelf.default.name for each in models]
                deleted = await reindexing.delete_vectors(conn, command.knowledge_base, needed, BATCH) if needed else 0
            count += deleted
            if deleted == 0:
                break
        async with self._db.connection() as conn:
            known = await reindexing.known_models(conn)
        for name in known:
            # Knowledge bases yet to be made begin with this process' own.
            if name != self._shelf.default.name:
                async with self._db.transaction() as conn:
                    await reindexing.drop_model(conn, name)
        log.info("vectors_dropped", knowledge_base=command.knowledge_base, vectors=count)
        return Done()
