"""The vector spaces that this replica can search in, and which one a knowledge base is searched in."""

import asyncio
import math
import time
from dataclasses import dataclass
from uuid import UUID

from meshkit.errors import DomainError
from meshkit.ids import new_id
from meshkit.models.embeddings import Embedder
from meshkit.models.errors import EmbeddingUnavailable, ModelCorrupt
from meshkit.models.shelf import NamedModel, Shelf
from meshkit.models.vectors import Vectors
from meshkit.postgres import Database
from meshkit.telemetry import get_logger
from svc_retrieval.store import models as store
from svc_retrieval.store.search import VectorSpace
from svc_retrieval.titles import Titles

log = get_logger(__name__)

# A replica that says nothing for so many intervals is taken for gone.
_SILENT_INTERVALS = 10


@dataclass(frozen=True, slots=True)
class Space:
    """A model with all that a search in it needs. A search uses one, from its question's vector to its titles'."""

    embedder: Embedder
    vectors: VectorSpace
    titles: Titles


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in the space of its knowledge base."""

    space: Space
    vector: Vectors
    embedding_ms: float


class Spaces:
    """One for each model that is open."""

    def __init__(self, database: Database, shelf: Shelf, *, check_interval_s: float = 2.0) -> None:
        self._db = database
        self._shelf = shelf
        self._interval_s = check_interval_s
        self._spaces: dict[str, Space] = {}
        # What each knowledge base was searched with last: most likely it still is.
        self._last: dict[str, str] = {}
        self.replica_id: UUID = new_id()
        self._said: list[tuple[str, str]] = []
        self._said_at = -math.inf

    async def prepare(self) -> None:
        """Loads the models in force and says which it could load: in the others' knowledge bases, searches will fail.
        Call before serving."""
        default = self._shelf.default
        async with self._db.transaction() as conn:
            await store.register(conn, NamedModel(default.name, self._shelf.spec), default.dimension)
            await store.adopt(conn, default.name)
        await default.warm()
        await self._say()

    async def keep(self) -> None:
        """Loads what becomes wanted and says what is loaded, at once or to be known as alive, until cancelled; then it
        takes back what it said."""
        try:
            while True:
                await self._say()
                await asyncio.sleep(self._interval_s)
        finally:
            async with asyncio.timeout(2), self._db.connection() as conn:
                await store.leave(conn, self.replica_id)

    def likely(self, knowledge_base: str) -> str:
        """The name of the model that the knowledge base was searched with last: most likely it still is."""
        return self._likely(knowledge_base).embedder.name

    async def ask(self, query: str, model: str) -> Asked:
        """The question's vector in the `likely` model. Which one is in force the database says in the meantime, with
        what else a search reads: `ask_in_force` if it is another one. Raises what the embedder raises."""
        return await self._asked(self._open(model), query)

    async def ask_in_force(self, query: str, knowledge_base: str) -> Asked:
        """The question's vector in the model that is in force at this moment, which the next searches begin with.

        Raises what the embedder raises; EmbeddingUnavailable if the model in force can't be loaded here.
        """
        async with self._db.connection() as conn:
            model = await store.in_force(conn, knowledge_base)
        space = self._likely(knowledge_base) if model is None else self._of(await self._usable(model))
        asked = await self._asked(space, query)
        self._last[knowledge_base] = space.embedder.name
        if len(self._last) > 10_000:
            self._last.clear()
        return asked

    async def open(self, spec: str) -> Embedder:
        """The model that `spec` names. Raises ModelCorrupt, and what its server raises."""
        return await self._shelf.open(spec)

    async def _say(self) -> None:
        async with self._db.connection() as conn:
            wanted = await store.wanted(conn)
        served = [(model.name, await self._problem(model)) for model in wanted]
        alive_s = self._interval_s * _SILENT_INTERVALS
        if served == self._said and time.monotonic() - self._said_at < alive_s / 3:
            return
        async with self._db.connection() as conn:
            await store.say_served(conn, self.replica_id, served, alive_s)
        self._said, self._said_at = served, time.monotonic()

    async def _problem(self, model: NamedModel) -> str:
        """Why the model can't be searched with here; empty if it can."""
        known = self._shelf.get(model.name) is not None
        try:
            embedder = await self._shelf.named(model)
            if not known:
                await embedder.warm()
                log.info("embedding_model_loaded", model=model.name)
        except (ModelCorrupt, DomainError) as exc:
            log.warning("embedding_model_unusable", model=model.name, error=type(exc).__name__)
            return str(exc)[:500] or type(exc).__name__
        return ""

    async def _usable(self, model: NamedModel) -> Embedder:
        try:
            return await self._shelf.named(model)
        except ModelCorrupt:
            log.exception("embedding_model_unusable", model=model.name)
            raise EmbeddingUnavailable from None

    @staticmethod
    async def _asked(space: Space, query: str) -> Asked:
        started = time.perf_counter()
        rows = await space.embedder.embed([query])
        return Asked(space, rows[0], (time.perf_counter() - started) * 1000)

    def _likely(self, knowledge_base: str) -> Space:
        return self._open(self._last.get(knowledge_base, ""))

    def _open(self, model: str) -> Space:
        return self._of(self._shelf.get(model) or self._shelf.default)

    def _of(self, embedder: Embedder) -> Space:
        found = self._spaces.get(embedder.name)
        if found is None:
            vectors = VectorSpace(embedder.name, embedder.dimension)
            found = self._spaces[embedder.name] = Space(embedder, vectors, Titles(embedder))
        return found
