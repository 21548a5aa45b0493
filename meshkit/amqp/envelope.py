"""A command as a message: the body is its protobuf, binary; all else is in the properties."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from meshkit.outbox.rows import Claimed, Delivered

CONTENT_TYPE = "application/x-protobuf"


def seal(claimed: Claimed, body: bytes, *, attempt: int, publication: UUID | None) -> aio_pika.Message:
    """The message of a command. `attempt` is the one that it begins; `publication` the lease that it hands over."""
    headers: dict[str, Any] = {
        "outbox_id": str(claimed.outbox_id),
        "key": claimed.key,
        "attempt": attempt,
        "traceparent": claimed.traceparent,
    }
    if claimed.ordering_key is not None:
        headers["ordering_key"] = str(claimed.ordering_key)
    if publication is not None:
        headers["publication"] = str(publication)
        # Attempts that fail in good order are repeated by way of a delay: this one was left lying.
        headers["suspect"] = attempt > 1
    return aio_pika.Message(
        body,
        headers=headers,
        type=claimed.type,
        content_type=CONTENT_TYPE,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        # The client matches returned messages by this id, so no two publications may share one.
        message_id=str(uuid4()),
        correlation_id=str(claimed.outbox_id),
        timestamp=datetime.now(UTC),
    )


def copy_suspect(message: AbstractIncomingMessage) -> aio_pika.Message:
    """The same message once more, whose consumer vanished."""
    return aio_pika.Message(
        message.body,
        headers={**(message.headers or {}), "suspect": True},
        type=message.type,
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=str(uuid4()),
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
    )


def is_suspect(message: AbstractIncomingMessage) -> bool:
    """Whether an earlier attempt may have taken its worker with it."""
    headers: Mapping[str, Any] = message.headers or {}
    return bool(message.redelivered or headers.get("suspect"))


def open_message(message: AbstractIncomingMessage) -> Delivered | None:
    """What a message says; None if it is none of ours."""
    headers: Mapping[str, Any] = message.headers or {}
    outbox_id = _uuid(headers.get("outbox_id"))
    if outbox_id is None or not message.type or message.content_type != CONTENT_TYPE:
        return None
    return Delivered(outbox_id, message.type, _uuid(headers.get("publication")), message.body)


def _uuid(value: object) -> UUID | None:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return UUID(value)
    return None
