"""Identifiers that sort by the time they were made."""

import uuid

from uuid_utils import compat


def new_id() -> uuid.UUID:
    """A UUIDv7: 48 bits of Unix milliseconds first, so that new rows land at the right edge of an index."""
    return compat.uuid7()


def made_at(id: uuid.UUID) -> float:
    """When `new_id` made it, in seconds of the Unix epoch."""
    return (id.int >> 80) / 1000
