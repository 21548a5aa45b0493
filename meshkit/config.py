"""Settings from the environment: one frozen class per service, read once, every problem reported at once."""

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX = "GROUNDLINE_"

# host:port, where the host is a name, an IPv4 address or a bracketed IPv6 address. Port 0 lets the system choose.
HostPort = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$")]
# What a channel may dial: host:port, or a target that gRPC resolves itself.
Target = Annotated[str, Field(pattern=r"^((dns|unix|ipv4|ipv6):.+|[^:/]+:\d{1,5})$")]


class ServiceSettings(BaseSettings):
    """What every process of the mesh can be told. Environment variables carry the prefix `GROUNDLINE_`."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    listen: HostPort = "127.0.0.1:0"
    """Where this process serves gRPC."""
    metrics_listen: HostPort | None = None
    """Where this process serves /metrics over HTTP; unset: nowhere."""

    database_url: str | None = None
    """PostgreSQL, as postgresql://… over TCP or a Unix socket."""
    database_pool_size: int = Field(default=20, ge=1, le=500)
    """Most connections that this process holds."""
    database_waiters: int = Field(default=1000, ge=0, le=10_000)
    """Most calls that may wait for a connection; the next one is refused at once. At some thousand calls a second, this
    many pass within the time that a call waits at all."""
    database_acquire_timeout_s: float = Field(default=2.0, gt=0, le=60)
    """How long a call waits for a connection."""
    database_statement_timeout_s: float = Field(default=10.0, gt=0, le=3600)
    """After how long the server cancels a statement."""

    gateway_target: Target = "127.0.0.1:50051"
    orchestrator_target: Target = "127.0.0.1:50052"
    retrieval_target: Target = "127.0.0.1:50053"
    evaluator_target: Target = "127.0.0.1:50054"
    ticketing_target: Target = "127.0.0.1:50055"

    signing_key_file: Path | None = None
    """PEM of the Ed25519 key with which this process mints tokens."""
    verify_jwks_file: Path | None = None
    """JWKS with the public keys whose tokens are accepted."""

    object_store_url: str = "file:.groundline/objects"
    """Where objects live: file:///…, s3://bucket/prefix, gs://…, azblob://…"""
    home: Path = Path(".groundline")
    """The folder for this machine's state."""

    max_concurrent_calls: int = Field(default=1000, ge=1, le=100_000)
    """Calls in flight beyond which new ones are refused."""
    max_open_streams: int = Field(default=5000, ge=1, le=100_000)
    """Streams without an end beyond which new ones are refused."""
    drain_timeout_s: float = Field(default=20.0, ge=0, le=600)
    """How long calls in flight may finish after SIGTERM."""
    drain_notice_s: float = Field(default=0.0, ge=0, le=60)
    """How long after SIGTERM this process goes on taking calls while its health says NOT_SERVING: until balancers have
    asked. Of use where it has replicas."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = None
    """Where spans go (OTLP over gRPC); unset: nowhere, and tracing only passes ids on."""


S = TypeVar("S", bound=ServiceSettings)


def read(settings: type[S]) -> S:
    """Reads `settings` from the environment. Prints every problem, one a line, and exits with 2 if there is any."""
    try:
        return settings()
    except ValidationError as exc:
        print(f"{settings.__name__}: {exc.error_count()} setting(s) can't be used:", file=sys.stderr)
        for error in exc.errors(include_input=False, include_url=False):
            # Values are left out: some of them are secrets.
            name = ENV_PREFIX + "_".join(str(part) for part in error["loc"]).upper()
            print(f"  {name}: {error['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
