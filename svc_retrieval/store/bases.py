"""Knowledge bases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from meshkit.postgres import Connection, load_queries
from svc_retrieval.audience import Audience

_queries = load_queries(__package__, "bases.sql")


@dataclass(frozen=True, slots=True)
class BaseRow:
    """A knowledge base, with counts of what the caller may read."""

    name: str
    display_name: str
    created_at: datetime
    chunk_count: int
    document_count: int
    embedding_model: str


async def insert_base(conn: Connection, name: str, display_name: str, embedding_model: str) -> bool:
    """False if the name is taken."""
    return await conn.fetchval(_queries.insert_base, name, display_name, embedding_model) is not None


async def base_exists(conn: Connection, name: str) -> bool:
    """Whether there is a knowledge base of that name."""
    return bool(await conn.fetchval(_queries.base_exists, name))


async def read_bases(
    conn: Connection, audience: Audience, *, name: str | None = None, after: str | None = None, limit: int
) -> Sequence[BaseRow]:
    """Knowledge bases by name: the one of `name`, or those after `after`."""
    rows = await conn.fetch(_queries.read_bases, audience.sees_everything, list(audience.groups), name, after, limit)
    return [BaseRow(**row) for row in rows]


async def index_version(conn: Connection, name: str) -> int | None:
    """Rises with every change of what can be found; None if there is no such knowledge base."""
    version: int | None = await conn.fetchval(_queries.index_version, name)
    return version
