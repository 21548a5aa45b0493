"""Knowledge bases: product lines or brands with documents of their own."""

from collections.abc import Sequence

from meshkit.postgres import Database
from svc_retrieval.audience import Audience
from svc_retrieval.errors import KnowledgeBaseExists
from svc_retrieval.store import bases as store
from svc_retrieval.store import requests
from svc_retrieval.store.bases import BaseRow
from svc_retrieval.store.requests import Answer, Request

DEFAULT_KNOWLEDGE_BASE = "default"
_MAKER = Audience((), sees_everything=True)


class KnowledgeBases:
    """All of them. New ones are embedded in `embedding_model`."""

    def __init__(self, database: Database, embedding_model: str) -> None:
        self._db = database
        self._embedding_model = embedding_model

    async def create(self, name: str, display_name: str, request: Request) -> BaseRow:
        """Raises KnowledgeBaseExists, RequestIdReused."""
        async with self._db.transaction() as conn:
            if await requests.answered(conn, request) is None:
                if not await store.insert_base(conn, name, display_name or name, self._embedding_model):
                    # Either the same request came twice at once and the other has committed, or the name is taken.
                    if await requests.answered(conn, request) is None:
                        raise KnowledgeBaseExists(knowledge_base=name)
                else:
                    await requests.remember(conn, request, Answer(name, changed=True))
            (base,) = await store.read_bases(conn, _MAKER, name=name, limit=1)
        return base

    async def page(self, audience: Audience, *, after: str | None, limit: int) -> Sequence[BaseRow]:
        """Knowledge bases by name, from behind `after`, with counts of what `audience` may read."""
        async with self._db.connection() as conn:
            return await store.read_bases(conn, audience, after=after, limit=limit)
