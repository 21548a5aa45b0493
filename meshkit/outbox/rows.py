"""The table messaging.outbox. Every function takes a connection, so that the caller owns the transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.message import Message

from meshkit.call import current_activity
from meshkit.ids import new_id
from meshkit.postgres import Connection, load_queries

_queries = load_queries("meshkit.outbox", "outbox.sql")

MAX_ERROR_CHARS = 1000

M = TypeVar("M", bound=Message)


class Claimed(NamedTuple):
    """A command under lease. Only the holder of `lease_token` can change its row. `attempts` includes this one.

    Its fields are the columns that a claim returns, in their order.
    """

    outbox_id: UUID
    type: str
    payload_json: str
    key: str
    ordering_key: UUID | None
    attempts: int
    lease_token: UUID
    traceparent: str
    body: bytes | None = None
    """The payload as binary protobuf, where a broker delivered it; then there is no `payload_json`."""


def payload(claimed: Claimed, command: type[M]) -> M:
    """What the command says. Raises ValueError if that is no `command`.

    Unknown fields come from a newer writer: what they say is optional by the contract's rules.
    """
    try:
        if claimed.body is not None:
            return command.FromString(claimed.body)
        # As json_format.Parse does; but what was jsonb has no key twice, and need not be searched for one.
        return json_format.ParseDict(json.loads(claimed.payload_json), command(), ignore_unknown_fields=True)
    except Exception as exc:
        raise ValueError(f"the payload is not a {command.DESCRIPTOR.full_name}") from exc


async def put(
    conn: Connection, command: Message, *, type: str, key: str, ordering_key: UUID | None = None, delay_s: float = 0
) -> bool:
    """Adds a command; False if one with this `key` is there already (then nothing changes).

    Commands with the same `ordering_key` are handled one after the other, in the order of their ids. The first attempt
    comes no earlier than `delay_s` seconds from now.
    """
    payload = json_format.MessageToJson(command, preserving_proto_field_name=True, indent=None)
    activity = current_activity()
    trace_context = activity.traceparent if activity and activity.traceparent else None
    row = await conn.fetchval(_queries.put_command, new_id(), type, payload, key, ordering_key, delay_s, trace_context)
    return row is not None


async def claim(conn: Connection, free: Mapping[str, int], *, lease_s: float, counts: bool = True) -> list[Claimed]:
    """Leases up to `free[type]` due commands of each type for `lease_s` seconds, oldest due first; those that were
    begun before, for up to 30 seconds more.

    Unless it `counts`, the claim is no attempt: `attempts` stays as it was.
    """
    wanted = {type: count for type, count in free.items() if count > 0}
    if not wanted:
        return []
    rows = await conn.fetch(_queries.claim_outbox, list(wanted), list(wanted.values()), lease_s, int(counts))
    return [Claimed(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A command that a broker brought. `publication` is the lease token under which it was published."""

    outbox_id: UUID
    type: str
    publication: UUID | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Busy:
    """Somebody else has the command for `held_s` more seconds; 0 if its row was only being changed just now."""

    held_s: float


async def take(
    conn: Connection, delivered: Sequence[Delivered], *, lease_s: float
) -> dict[UUID, Claimed | Busy | None]:
    """Leases commands that a broker delivered, each counted as an attempt; None for one that is not pending any more.

    Publication hands over the lease: the message that was published last may take it, an older one has to find it
    ended. Each command at most once in `delivered`.
    """
    found = await conn.fetch(
        _queries.take_delivered,
        [each.outbox_id for each in delivered],
        [each.type for each in delivered],
        [each.publication for each in delivered],
        lease_s,
    )
    bodies = {each.outbox_id: each.body for each in delivered}
    taken: dict[UUID, Claimed | Busy | None] = {}
    for row in found:
        fields = dict(row)
        status, held_s = fields.pop("status"), fields.pop("held_s")
        outbox_id = fields["outbox_id"]
        if fields["lease_token"] is not None:
            taken[outbox_id] = Claimed(**fields, payload_json="", body=bodies[outbox_id])
        else:
            taken[outbox_id] = Busy(held_s) if status == "pending" else None
    return taken


async def still_pending(conn: Connection, outbox_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the commands that are neither done nor dead."""
    return {row["outbox_id"] for row in await conn.fetch(_queries.still_pending, list(outbox_ids))}


async def complete(conn: Connection, claimed: Claimed) -> bool:
    """Marks the command done; False if the lease was lost or somebody else completed it."""
    return await conn.fetchval(_queries.complete, claimed.outbox_id, claimed.lease_token) is not None


async def complete_many(conn: Connection, claimed: Sequence[Claimed]) -> set[UUID]:
    """Marks commands done in one statement; returns the ids of those whose leases were still held."""
    ids, tokens = [each.outbox_id for each in claimed], [each.lease_token for each in claimed]
    return {row["outbox_id"] for row in await conn.fetch(_queries.complete_many, ids, tokens)}


async def park_followers(conn: Connection, *, longer_than_s: float, limit: int) -> int:
    """Sets aside up to `limit` due commands that wait behind one in backoff for more than `longer_than_s` seconds."""
    return len(await conn.fetch(_queries.park_followers, longer_than_s, limit))


async def unpark_heads(conn: Connection) -> int:
    """Lets commands be claimed again that were set aside and have nothing before them any more."""
    return len(await conn.fetch(_queries.unpark_heads))


async def purge_done(conn: Connection, *, older_than_s: float, limit: int) -> int:
    """Deletes up to `limit` commands that are done for so long, oldest first; returns how many."""
    return _count(await conn.execute(_queries.purge_done, older_than_s, limit))


async def purge_inbox(conn: Connection, *, older_than_s: float, limit: int) -> int:
    """Deletes up to `limit` remembered deliveries of that age, oldest first; returns how many."""
    return _count(await conn.execute(_queries.purge_inbox, older_than_s, limit))


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])


async def complete_keys(conn: Connection, keys: Sequence[str]) -> int:
    """Marks commands done by their idempotency keys, for an effect that commits outside of the relay."""
    return len(await conn.fetch(_queries.complete_keys, list(keys)))


async def retry(conn: Connection, claimed: Claimed, *, error: str, after_s: float) -> bool:
    """Gives the command back, due again in `after_s` seconds; False if the lease was lost."""
    found = await conn.fetchval(
        _queries.retry, claimed.outbox_id, claimed.lease_token, error[:MAX_ERROR_CHARS], after_s
    )
    return found is not None


async def uncount(conn: Connection, claimed: Claimed) -> None:
    """This attempt was none. Call it before the command is given back."""
    await conn.execute(_queries.uncount, claimed.outbox_id, claimed.lease_token)


async def dead(conn: Connection, claimed: Claimed, *, error: str) -> bool:
    """Gives the command up; it waits for a person to redrive or discard it. False if the lease was lost."""
    found = await conn.fetchval(_queries.bury, claimed.outbox_id, claimed.lease_token, error[:MAX_ERROR_CHARS])
    return found is not None


async def extend(conn: Connection, claimed: Sequence[Claimed], *, lease_s: float) -> set[UUID]:
    """Prolongs leases; returns the ids of those that were still held."""
    ids, tokens = [each.outbox_id for each in claimed], [each.lease_token for each in claimed]
    return {row["outbox_id"] for row in await conn.fetch(_queries.extend, ids, tokens, lease_s)}


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits, by type. `oldest_age_s` is the age of the oldest pending command that was due already."""

    type: str
    pending: int
    dead: int
    oldest_age_s: float


async def depths(conn: Connection) -> list[Depth]:
    """Backlog by type, for metrics."""
    return [Depth(**row) for row in await conn.fetch(_queries.depths)]
