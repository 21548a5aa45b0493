"""Which request_id was answered with what."""

from dataclasses import dataclass

from meshkit.errors import RequestIdReused
from meshkit.postgres import Connection, load_queries

_queries = load_queries(__package__, "requests.sql")


@dataclass(frozen=True, slots=True)
class Request:
    """A create as its caller identified it. `request_id` may be ""; `sha256` is of the whole request."""

    method: str
    subject: str
    request_id: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The id or name of what was made, and whether that changed anything."""

    resource: str
    changed: bool


async def answered(conn: Connection, request: Request) -> Answer | None:
    """What this request was answered with before, or None. Raises RequestIdReused if its id belongs to another."""
    if not request.request_id:
        return None
    row = await conn.fetchrow(_queries.answered, request.method, request.subject, request.request_id)
    if row is None:
        return None
    if row["request_sha256"] != request.sha256:
        raise RequestIdReused(request_id=request.request_id)
    return Answer(row["resource"], row["changed"])


async def remember(conn: Connection, request: Request, answer: Answer) -> bool:
    """Writes the answer down; False if the same request_id was answered meanwhile: then nothing of this call counts."""
    if not request.request_id:
        return True
    key = (request.method, request.subject, request.request_id)
    found = await conn.fetchval(_queries.remember, *key, request.sha256, answer.resource, answer.changed)
    return found is not None
