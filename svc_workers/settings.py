"""What the workers can be told, beyond what every process can."""

from typing import Literal

from pydantic import Field

from meshkit.config import ServiceSettings
from meshkit.models.embeddings import DEFAULT_SPEC


class WorkerSettings(ServiceSettings):
    """Settings of `python -m svc_workers`."""

    database_pool_size: int = Field(default=10, ge=2, le=500)
    """Most connections that this process holds."""
    database_statement_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """After how long the server cancels a statement: exchanging a large document's chunks takes seconds."""
    road: Literal["embedded"] = "embedded"
    """How commands reach their handlers."""
    poll_interval_s: float = Field(default=0.25, gt=0, le=60)
    """How often the outbox is looked at when nothing wakes the relay."""
    command_lease_s: float = Field(default=30.0, ge=1, le=600)
    """How long a command is held without a sign of life; what a worker that dies held is done by another after that."""
    max_attempts: int = Field(default=10, ge=1, le=100)
    """After how many tries a command is dead."""
    embedding_model: str = DEFAULT_SPEC
    """The embedding model's name or folder. The same for everyone who embeds or searches."""
    embedding_workers: int = Field(default=2, ge=1, le=64)
    """Passages that are embedded at a time, each on a thread of its own."""
