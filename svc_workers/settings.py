"""What the workers can be told, beyond what every process can."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from meshkit.models.settings import EmbeddingSettings


class WorkerSettings(EmbeddingSettings):
    """Settings of `python -m svc_workers`."""

    database_pool_size: int = Field(default=10, ge=2, le=500)
    """Most connections that this process holds."""
    database_statement_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """After how long the server cancels a statement: exchanging a large document's chunks takes seconds."""
    road: Literal["embedded", "amqp"] = "embedded"
    """How commands reach their handlers: in the process that claims them, or through RabbitMQ."""
    amqp_url: SecretStr | None = None
    """RabbitMQ, as amqp://user:password@host:port/vhost or amqps://…"""
    amqp_heartbeat_s: int = Field(default=10, ge=1, le=600)
    """A broker that answers nothing for one and a half times as long is left."""
    amqp_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long the broker may take to confirm a message."""
    amqp_republish_after_s: float = Field(default=60.0, ge=1, le=3600)
    """A command that was published and is not settled after so long is published again."""
    amqp_window: int = Field(default=256, ge=1, le=10_000)
    """Most commands of a type that are published and not settled; the rest waits in the outbox."""
    poll_interval_s: float = Field(default=0.25, gt=0, le=60)
    """How often the outbox is looked at when nothing wakes the relay."""
    command_lease_s: float = Field(default=30.0, ge=1, le=600)
    """How long a command is held without a sign of life; what a worker that dies held is done by another after that."""
    max_attempts: int = Field(default=10, ge=1, le=100)
    """After how many tries a command is dead."""
    retention_s: float = Field(default=7 * 86_400.0, ge=2 * 86_400, le=3650 * 86_400)
    """How long done commands, remembered deliveries and answered request ids are kept: as long as a repetition of them
    is known for one. At least twice what a command may go on being tried for (docs/decisions/0011)."""
    ticket_sync_interval_s: float = Field(default=10.0, ge=0, le=3600)
    """How often tickets are looked at for what no event told their conversations; 0: never."""
    webhook_allow_private: bool = False
    """Development and tests only: events may go over http and to private addresses."""
    webhook_key_file: Path | None = None
    """PEM of the Ed25519 key under which endpoints' secrets are stored; unset: the signing key. A key that changes
    makes the secrets before it unreadable."""
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """How long one request to an endpoint may take."""
    webhook_backoff_s: float = Field(default=5.0, gt=0, le=3600)
    """The first wait after a failed request; each further one is four times as long, up to 8 hours."""
    webhook_disable_failures: int = Field(default=50, ge=1, le=10_000)
    """After how many failed requests in a row an endpoint is disabled."""
    webhook_disable_after_s: float = Field(default=3600.0, ge=0, le=30 * 86400)
    """How long they must have gone on at least."""
    embedding_workers: int = Field(default=2, ge=1, le=64)
    """Passages that are embedded at a time, each on a thread of its own."""

    @field_validator("amqp_url")
    @classmethod
    def _is_amqp(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("amqp://", "amqps://")):
            raise ValueError("not an amqp:// or amqps:// URL")
        return url
