"""Embedding models: which are wanted, and who serves them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from meshkit.models.shelf import NamedModel
from meshkit.postgres import Connection, load_queries

_queries = load_queries(__package__, "models.sql")


@dataclass(frozen=True, slots=True)
class ServerRow:
    """What a replica of retrieval says of a model. `error` is why it could not load it."""

    replica_id: UUID
    ready: bool
    error: str


async def register(conn: Connection, model: NamedModel, dimension: int) -> None:
    """Makes the model known; the first time, its index is built."""
    await conn.execute(_queries.register_model, model.name, dimension)
    await conn.execute(_queries.describe_model, model.name, model.spec)


async def adopt(conn: Connection, name: str) -> None:
    """Knowledge bases without a model have this one from now on."""
    await conn.execute(_queries.adopt_model, name)


async def in_force(conn: Connection, knowledge_base: str) -> NamedModel | None:
    """The knowledge base's model; None if there is no such knowledge base, or nobody has embedded it yet."""
    row = await conn.fetchrow(_queries.model_in_force, knowledge_base)
    return NamedModel(row["name"], row["spec"]) if row is not None and row["name"] else None


async def wanted(conn: Connection) -> Sequence[NamedModel]:
    """The models that any knowledge base uses or is to use."""
    return [NamedModel(row["name"], row["spec"]) for row in await conn.fetch(_queries.models_wanted)]


async def say_served(conn: Connection, replica_id: UUID, served: Sequence[tuple[str, str]], for_s: float) -> None:
    """Says which models this replica serves: (name, "") or (name, why not)."""
    names, errors = [name for name, _ in served], [error for _, error in served]
    await conn.execute(_queries.say_served, replica_id, names, [not error for error in errors], errors, for_s)


async def leave(conn: Connection, replica_id: UUID) -> None:
    """This replica serves nothing any more."""
    await conn.execute(_queries.leave, replica_id)


async def servers_of(conn: Connection, name: str) -> Sequence[ServerRow]:
    """Every live replica, and whether it serves the model."""
    return [ServerRow(**row) for row in await conn.fetch(_queries.servers_of, name)]
