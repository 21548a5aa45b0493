"""Vectors for passages: in every model that the knowledge base needs, in batches that leave room for other work."""

from collections.abc import Sequence
from typing import Any

from meshkit.errors import DomainError
from meshkit.models.embeddings import Embedder
from meshkit.models.errors import ModelCorrupt
from meshkit.models.shelf import NamedModel, Shelf
from meshkit.postgres import Connection, Database
from meshkit.telemetry import get_logger
from svc_workers import store

log = get_logger(__name__)

BATCH = 32


class ModelsChanged(Exception):
    """The knowledge base needs vectors in a model that there are none of: embed again, and write then."""


async def embed_all(embedder: Embedder, texts: Sequence[str]) -> list[Any]:
    """A vector for each text, in their order. Call it outside of transactions: it takes seconds for a large page."""
    vectors: list[Any] = []
    for first in range(0, len(texts), BATCH):
        vectors.extend(await embedder.embed(texts[first : first + BATCH]))
    return vectors


class PassageVectors:
    """The vectors of some texts of one knowledge base, by model.

    A knowledge base has one model in force and, while it is reindexed, one to come. Without the first nothing is
    written; the one to come may be missing here, for then the reindex finds the gap and fills it.
    """

    def __init__(self, database: Database, shelf: Shelf, knowledge_base: str, texts: Sequence[str]) -> None:
        self._db = database
        self._shelf = shelf
        self._knowledge_base = knowledge_base
        self._texts = texts
        self._by_model: dict[str, list[Any]] = {}
        self._unusable: set[str] = set()

    async def embed(self) -> None:
        """Embeds in each model that is needed at this moment. Raises what the model in force raises."""
        async with self._db.connection() as conn:
            models = await store.needed_models(conn, self._knowledge_base)
        for place, model in enumerate(_or_default(models, self._shelf)):
            if model.name in self._by_model or model.name in self._unusable:
                continue
            try:
                self._by_model[model.name] = await embed_all(await self._shelf.named(model), self._texts)
            except (ModelCorrupt, DomainError) as exc:
                if place == 0:
                    raise
                log.warning("embedding_model_unusable", model=model.name, error=type(exc).__name__)
                self._unusable.add(model.name)

    async def needed(self, conn: Connection) -> dict[str, list[Any]]:
        """The vectors to write, by model. Until the transaction ends, no other model comes to be needed.

        Raises ModelsChanged.
        """
        models = _or_default(await store.needed_models(conn, self._knowledge_base, lock=True), self._shelf)
        names = {each.name for each in models} - self._unusable
        if not names <= self._by_model.keys() or models[0].name not in names:
            raise ModelsChanged
        return {name: self._by_model[name] for name in sorted(names)}


def _or_default(models: Sequence[NamedModel], shelf: Shelf) -> Sequence[NamedModel]:
    """The model in force first; the process' own one where none is written down."""
    own = NamedModel(shelf.default.name, shelf.spec)
    return [own if not each.name else each for each in models] or [own]
