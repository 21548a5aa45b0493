"""What the gateway can be told, beyond what every process can."""

from pydantic import Field

from meshkit.config import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Settings of `python -m svc_gateway`."""

    session_token_ttl_s: int = Field(default=7 * 24 * 3600, ge=60, le=90 * 24 * 3600)
    """How long a customer's token is valid, in seconds."""
    secure_cookies: bool = False
    """Whether the session cookie is sent over TLS only. True wherever the edge speaks TLS."""
    fast_path_grace_s: float = Field(default=2.0, ge=0, le=60)
    """How long the relay leaves a new message to the fast path before it steps in."""
    stream_poll_interval_s: float = Field(default=2.0, gt=0, le=60)
    """How often followed sessions are looked at when no notification comes."""
    stream_heartbeat_s: float = Field(default=15.0, gt=0, le=60)
    """After how much silence a stream shows that it lives. Below the edge's idle timeout."""
    max_streams: int = Field(default=2000, ge=1, le=100_000)
    """Streams at once; the next reader is refused and comes again."""
