"""Outgoing calls: one channel per peer, with deadline, identity and trace of what is being done."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from meshkit import call as calls
from meshkit.identity import ServiceToken
from meshkit.server import MAX_MESSAGE_BYTES

# Retries live in this one layer, for idempotent methods only, and stop when more than one call in ten fails.
_RETRY = {
    "maxAttempts": 3,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_THROTTLING = {"maxTokens": 20, "tokenRatio": 0.1}

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.service_config_disable_resolution", 1),
)


def open_channel(
    target: str,
    *services: ServiceDescriptor,
    token: ServiceToken | None = None,
    bearer: str | None = None,
    retries: bool = True,
    watch_health: bool = True,
) -> grpc.aio.Channel:
    """A channel to `target` for stubs of `services`, whose contracts set deadlines and what may be retried.

    Every call carries the remaining deadline, request id and trace of the current activity, and the credential:
    `token` (renewed by itself) or a fixed `bearer` token. Close the channel, or enter it as a context manager.
    Without `retries` a call is made once: for callers that have a way of their own to try again. Without `watch_health`
    the peer's own word on its health is not asked for: for the way through the edge, which watches the services behind
    it itself, and would pass on the word of one of them, which may drain, as if it were of all.
    """
    config = service_config(services, retries=retries, watch_health=watch_health)
    options = (*_OPTIONS, ("grpc.service_config", json.dumps(config)))
    credential: Callable[[], str] | None = token.bearer if token else (lambda: f"Bearer {bearer}") if bearer else None
    return _MeshChannel(grpc.aio.insecure_channel(_spread(target), options=options), credential)


def service_config(
    services: Iterable[ServiceDescriptor], *, retries: bool = True, watch_health: bool = True
) -> dict[str, Any]:
    """The gRPC service config that the contracts amount to."""
    methods: list[dict[str, Any]] = []
    for service in services:
        for descriptor in service.methods:
            method = calls.describe(f"/{service.full_name}/{descriptor.name}")
            config: dict[str, Any] = {"name": [{"service": service.full_name, "method": descriptor.name}]}
            if method.deadline_s is not None:
                config["timeout"] = f"{method.deadline_s:.3f}s"
            if retries and method.options is not None and method.options.idempotent:
                config["retryPolicy"] = _RETRY
            methods.append(config)
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": _THROTTLING,
        "methodConfig": methods,
    }
    if watch_health:
        # A peer that drains says NOT_SERVING first: new calls go to its neighbours.
        config["healthCheckConfig"] = {"serviceName": ""}
    return config


def each_address(target: str) -> list[str]:
    """A target for each address that `target` lists (`ipv4:a:1,b:2`); the target itself if it is a name."""
    scheme, _, listed = target.partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return [target]
    return [f"{scheme}:{address}" for address in listed.split(",")]


def _spread(target: str) -> str:
    # round_robin needs all addresses of a name, which only the dns resolver asks for.
    return target if "://" in target or target.startswith(("dns:", "unix:", "ipv4:", "ipv6:")) else f"dns:///{target}"


class _MeshChannel(grpc.aio.Channel):
    """Adds to each call what the current activity knows. One wrapper for all four shapes: they are called alike."""

    def __init__(self, channel: grpc.aio.Channel, credential: Callable[[], str] | None) -> None:
        self._channel = channel
        self._credential = credential

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._channel.unary_unary(*args, **kwargs))

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._channel.unary_stream(*args, **kwargs))

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._channel.stream_unary(*args, **kwargs))

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._channel.stream_stream(*args, **kwargs))

    def _wrap(self, inner: Any) -> Any:
        def start(request: Any = None, *, timeout: float | None = None, metadata: Any = None, **kwargs: Any) -> Any:
            left = calls.remaining_s()
            if left is not None:
                timeout = left if timeout is None else min(timeout, left)
            return inner(request, timeout=timeout, metadata=self._metadata(metadata), **kwargs)

        return start

    def _metadata(self, given: Sequence[tuple[str, str | bytes]] | None) -> tuple[tuple[str, str | bytes], ...]:
        metadata = list(given or ())
        names = {name for name, _ in metadata}
        activity = calls.current_activity()
        if activity is not None and activity.request_id and "x-request-id" not in names:
            metadata.append(("x-request-id", activity.request_id))
        if activity is not None and activity.traceparent:
            metadata.append(("traceparent", activity.traceparent))
        if self._credential is not None and "authorization" not in names:
            metadata.append(("authorization", self._credential()))
        return tuple(metadata)

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._channel.channel_ready()

    async def __aenter__(self) -> "_MeshChannel":
        await self._channel.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self._channel.__aexit__(*exc)
