"""A throw-away knowledge base: an own PostgreSQL, and the services' code over it in this process."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from db.bootstrap import DATABASE, OWNER, create_database
from db.migrate import migrate
from db.postgres import PostgresServer
from evals.remembering import Remembering
from groundline.commands.v1 import commands_pb2 as commands
from meshkit.errors import InvalidRequest
from meshkit.ids import new_id
from meshkit.models.embeddings import Embedder, open_embedder
from meshkit.models.shelf import Shelf
from meshkit.objects import ObjectStore, open_store
from meshkit.outbox import Attempt, Done
from meshkit.postgres import Database
from meshkit.telemetry import configure_logging
from svc_retrieval.audience import Audience
from svc_retrieval.documents import Documents
from svc_retrieval.properties import Submission
from svc_retrieval.ranking import Ranking
from svc_retrieval.results import Result
from svc_retrieval.search import Search
from svc_retrieval.spaces import Spaces
from svc_retrieval.store.requests import Request
from svc_retrieval.wiring import vector_index_settings, with_server_settings
from svc_workers.ingest_document import IngestDocument

BASE = "default"
PUBLIC = ("public",)
# All that both legs bring: pages are counted, and a page may have many passages.
EVERYTHING = 1000
AT_ONCE = 4

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


Connect = Callable[[str], Awaitable[Database]]
"""Opens the desk's database as a role; it is closed with the desk."""


class IngestionFailed(Exception):
    """The worker would not index a document; the message says which and why."""


class Desk:
    """Documents in, evidence out, as retrieval and the knowledge worker do it."""

    def __init__(
        self, retrieval: Database, workers: Database, objects: ObjectStore, embedder: Embedder, connect: Connect
    ) -> None:
        self.embedder = embedder
        self.connect = connect
        self._documents = Documents(retrieval, objects)
        shelf = Shelf(embedder)
        self._ingest = IngestDocument(workers, objects, shelf)
        self._retrieval = retrieval
        self._spaces = Spaces(retrieval, shelf)
        self._search = Search(retrieval, self._spaces)

    async def prepare(self) -> None:
        """Makes the embedding model known."""
        await self._spaces.prepare()

    def rank_with(self, ranking: Ranking) -> None:
        """From now on searches rank like this."""
        self._search = Search(self._retrieval, self._spaces, ranking)

    async def ingest(self, submissions: Sequence[Submission], progress: Progress) -> int:
        """Writes and indexes every document; returns how many have nothing that can be read.

        Raises IngestionFailed where the worker would try again, and what `Documents.create` raises.
        """
        refused = 0

        async def write(submission: Submission) -> None:
            nonlocal refused
            try:
                await self._write(submission)
            except InvalidRequest:
                refused += 1

        await all_of(submissions, write, "ingesting", progress)
        failed = await self._documents.page(
            Audience((), sees_everything=True),
            knowledge_base=BASE,
            state="failed",
            uri=None,
            after=None,
            limit=len(submissions) + 1,
        )
        return refused + len(failed)

    async def delete(self, uri: str) -> None:
        """Deletes a document of the knowledge base, if there is one of that uri."""
        found = await self._documents.page(
            Audience((), sees_everything=True), knowledge_base=BASE, state=None, uri=uri, after=None, limit=1
        )
        for each in found:
            await self._documents.delete(each.doc_id)

    async def _write(self, submission: Submission) -> None:
        request = Request("CreateDocument", "evals", "", b"")
        row, _ = await self._documents.create(submission, request)
        command = commands.IngestDocument(doc_id=str(row.doc_id), version=row.version)
        outcome = await self._ingest.handle(command, Attempt(new_id(), f"ingest:{row.doc_id}:{row.version}", 1, 1))
        if outcome != Done():
            raise IngestionFailed(f"{submission.uri}: {outcome}")

    async def search(self, query: str, groups: Sequence[str] = PUBLIC) -> Result:
        """All that both legs find, in the order of the search."""
        return await self._search.run(query, knowledge_base=BASE, groups=groups, top_k=EVERYTHING)


async def all_of(items: Sequence[T], work: Callable[[T], Awaitable[None]], phase: str, progress: Progress) -> None:
    """Does `work` for every item, AT_ONCE at a time. The first failure ends it and is raised as it is."""
    waiting = iter(items)
    done = 0

    async def loop() -> None:
        nonlocal done
        for item in waiting:
            await work(item)
            done += 1
            progress(phase, done, len(items))

    progress(phase, 0, len(items))
    tasks = [asyncio.create_task(loop()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def first(result: Result, count: int) -> Result:
    """`result` as if no more than `count` passages had been asked for."""
    return replace(result, found=result.found[:count])


@asynccontextmanager
async def open_desk(*, embedding_model: str = "", server: PostgresServer | None = None) -> AsyncIterator[Desk]:
    """A desk with an empty knowledge base. All it made is deleted at the end.

    `server` is an empty one that was not started yet, for who wants to look at it, too.

    Raises PostgresError where the server can't be started.
    """
    configure_logging("evals", "error", stream=sys.stderr)
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="groundline-eval-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # Nothing of it is kept, so that nothing need reach the disk.
        server = server or PostgresServer(folder / "pg", settings={"fsync": "off", "synchronous_commit": "off"})
        stack.callback(server.destroy)
        await asyncio.to_thread(server.start)
        await create_database(server.url())
        await migrate(server.url(OWNER, DATABASE))
        retrieval = await _open(stack, server, "groundline_retrieval")
        workers = await _open(stack, server, "groundline_workers")
        embedder = Remembering(await open_embedder(embedding_model, workers=2))
        stack.push_async_callback(embedder.close)
        desk = Desk(
            retrieval,
            workers,
            open_store(f"file://{folder}/objects"),
            embedder,
            lambda role: _open(stack, server, role),
        )
        await desk.prepare()
        yield desk


async def _open(stack: AsyncExitStack, server: PostgresServer, role: str) -> Database:
    url = with_server_settings(server.url(role, DATABASE), vector_index_settings(100))
    database = await Database.open(url, name=role, max_size=2 * AT_ONCE + 2, statement_timeout_s=60, vectors=True)
    stack.push_async_callback(database.close)
    return database
