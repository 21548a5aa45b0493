"""The tables of endpoints and deliveries. Every function takes a connection: the caller owns the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from meshkit.postgres import Connection, load_queries

_queries = load_queries(__package__)


@dataclass(frozen=True, slots=True)
class Request:
    """What makes a create repeatable: who asked, under which request_id, for exactly what."""

    owner: str
    request_id: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint's row. `event_types` and `disabled_reason` are the contract's values in small letters."""

    endpoint_id: UUID
    url: str
    event_types: tuple[str, ...]
    description: str
    state: str
    disabled_reason: str | None
    sealed_secret: bytes | None
    consecutive_failures: int
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """The revision as clients send it back."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A line of the delivery log. `event_json` is the protobuf JSON of groundline.webhooks.v1.Event."""

    delivery_id: UUID
    endpoint_id: UUID
    event_json: Mapping[str, Any]
    state: str
    attempts: int
    response_status: int
    last_error: str
    created_at: datetime
    last_attempt_at: datetime | None
    replay_of: UUID | None


def _endpoint(row: Iterable[tuple[str, Any]]) -> Endpoint:
    columns = dict(row)
    return Endpoint(**{**columns, "event_types": tuple(columns["event_types"])})


async def count_endpoints(conn: Connection) -> int:
    """How many there are, without those that were deleted."""
    return int(await conn.fetchval(_queries.count_endpoints))


async def insert_endpoint(
    conn: Connection,
    endpoint_id: UUID,
    *,
    url: str,
    event_types: Sequence[str],
    description: str,
    sealed_secret: bytes,
    request: Request | None,
) -> Endpoint | None:
    """Makes an endpoint; None if this request made one before."""
    key = (request.owner, request.request_id, request.sha256) if request else (None, None, None)
    row = await conn.fetchrow(
        _queries.insert_endpoint, endpoint_id, url, list(event_types), description, sealed_secret, *key
    )
    return None if row is None else _endpoint(row.items())


async def endpoint_of_request(conn: Connection, request: Request) -> tuple[Endpoint, bytes] | None:
    """What this request made before, and the digest of its body."""
    row = await conn.fetchrow(_queries.endpoint_of_request, request.owner, request.request_id)
    if row is None:
        return None
    columns = dict(row)
    digest: bytes = columns.pop("request_sha256")
    return _endpoint(columns.items()), digest


async def get_endpoint(conn: Connection, endpoint_id: UUID, *, lock: bool = False) -> Endpoint | None:
    """One endpoint, deleted ones too; with `lock`, nobody else changes it until this transaction ends."""
    row = await conn.fetchrow(_queries.lock_endpoint if lock else _queries.get_endpoint, endpoint_id)
    return None if row is None else _endpoint(row.items())


async def list_endpoints(conn: Connection, *, after: UUID | None, limit: int) -> list[Endpoint]:
    """Endpoints behind `after`, oldest first, without those that were deleted."""
    return [_endpoint(row.items()) for row in await conn.fetch(_queries.list_endpoints, after, limit)]


async def save_endpoint(conn: Connection, endpoint: Endpoint) -> Endpoint:
    """Writes what can be changed of a locked endpoint. A deleted one loses its secret."""
    row = await conn.fetchrow(
        _queries.save_endpoint,
        endpoint.endpoint_id,
        endpoint.url,
        list(endpoint.event_types),
        endpoint.description,
        endpoint.state,
        endpoint.disabled_reason,
    )
    assert row is not None  # It is locked, and rows are never deleted.
    return _endpoint(row.items())


async def endpoints_wanting(conn: Connection, event_type: str) -> list[UUID]:
    """Who is to be told."""
    return [row["endpoint_id"] for row in await conn.fetch(_queries.endpoints_wanting, event_type)]


async def insert_delivery(
    conn: Connection, delivery_id: UUID, endpoint_id: UUID, event_id: UUID, event: Mapping[str, Any]
) -> bool:
    """Adds an event for an endpoint; False if it is there already."""
    found = await conn.fetchval(_queries.insert_delivery, delivery_id, endpoint_id, event_id, event)
    return found is not None


async def insert_replay(
    conn: Connection, delivery_id: UUID, replay_of: UUID, request_id: str | None
) -> Delivery | None:
    """Adds a delivery once more; None if this request did before, or there is none to repeat."""
    row = await conn.fetchrow(_queries.insert_replay, delivery_id, replay_of, request_id)
    return None if row is None else Delivery(**row)


async def replay_of_request(conn: Connection, replay_of: UUID, request_id: str) -> Delivery | None:
    """What a request to replay made before."""
    row = await conn.fetchrow(_queries.replay_of_request, replay_of, request_id)
    return None if row is None else Delivery(**row)


async def get_delivery(conn: Connection, delivery_id: UUID) -> Delivery | None:
    """One line of the log."""
    row = await conn.fetchrow(_queries.get_delivery, delivery_id)
    return None if row is None else Delivery(**row)


async def list_deliveries(
    conn: Connection, endpoint_id: UUID, *, before: UUID | None, state: str | None, limit: int
) -> list[Delivery]:
    """An endpoint's log before `before`, newest first."""
    rows = await conn.fetch(_queries.list_deliveries, endpoint_id, before, state, limit)
    return [Delivery(**row) for row in rows]


async def record_success(conn: Connection, delivery: Delivery, status: int) -> None:
    """The endpoint has it."""
    # The endpoint before its deliveries, here and wherever both are written: rivals wait, and never for one another.
    await conn.execute(_queries.endpoint_succeeded, delivery.endpoint_id)
    await conn.execute(_queries.record_success, delivery.delivery_id, status)


async def record_failure(
    conn: Connection,
    delivery: Delivery,
    *,
    status: int,
    error: str,
    last: bool,
    disable_failures: int,
    disable_after_s: float,
) -> bool:
    """An attempt failed. Returns whether that disables the endpoint; then whatever waits for it is cancelled."""
    hopeless = await conn.fetchval(_queries.endpoint_failed, delivery.endpoint_id, disable_failures, disable_after_s)
    await conn.execute(_queries.record_failure, delivery.delivery_id, status, error, last)
    if hopeless:
        await conn.execute(_queries.disable_endpoint, delivery.endpoint_id)
        await cancel_deliveries(conn, delivery.endpoint_id)
    return bool(hopeless)


async def cancel_deliveries(conn: Connection, endpoint_id: UUID) -> None:
    """Nothing that waits for this endpoint is sent any more."""
    await conn.execute(_queries.cancel_deliveries, endpoint_id)


async def cancel_delivery(conn: Connection, delivery_id: UUID) -> None:
    """This one is not sent any more."""
    await conn.execute(_queries.cancel_delivery, delivery_id)
