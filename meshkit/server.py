"""A process of the mesh: gRPC server with the chain, health, reflection, metrics and background loops; and its end."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import prometheus_client
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from meshkit import telemetry
from meshkit.background import Background, supervise
from meshkit.config import ServiceSettings
from meshkit.errors import DomainError
from meshkit.identity import TokenVerifier
from meshkit.interceptors import Chain, standard_layers

__all__ = ["Background", "MeshServer", "Registration", "Service", "Wire", "run"]

log = telemetry.get_logger(__name__)

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

SERVER_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.so_reuseport", 0),
    # A peer that vanished is noticed within half a minute, and clients may ping every 10 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A servicer and the generated function that adds it (`add_TicketingServiceServicer_to_server`)."""

    add: Callable[[Any, Any], None]
    servicer: object


@dataclass(frozen=True, slots=True)
class Draining:
    """What to do when the process begins to drain: end streams that would else hold it for all of its grace."""

    begin: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Described:
    """Services of peers that reflection tells about as well: at the process that stands for them to the outside."""

    names: Sequence[str]


Registration: TypeAlias = Service | Background | Draining | Described
Wire: TypeAlias = Callable[[AsyncExitStack, Any], Awaitable[Sequence[Registration]]]


class MeshServer:
    """A server with the production chain. NOT_SERVING until `start`, and again from the begin of `stop`."""

    def __init__(
        self,
        registrations: Sequence[Registration],
        *,
        verifier: TokenVerifier | None,
        max_concurrent_calls: int = 1000,
        max_open_streams: int = 5000,
    ) -> None:
        layers = standard_layers(verifier, max_concurrent_calls=max_concurrent_calls, max_open_streams=max_open_streams)
        self._server = grpc.aio.server(interceptors=(Chain(layers),), options=SERVER_OPTIONS)
        self._health = health_aio.HealthServicer()
        self._backgrounds = [each for each in registrations if isinstance(each, Background)]
        self._drainings = [each for each in registrations if isinstance(each, Draining)]
        self._tasks: list[asyncio.Task[None]] = []
        self.failed = asyncio.Event()
        """Set when a background loop can't be kept alive."""
        names = _Names(self._server)
        for each in registrations:
            if isinstance(each, Service):
                each.add(each.servicer, names)
        self.services = tuple(names.found)
        described = [name for each in registrations if isinstance(each, Described) for name in each.names]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [
                *self.services,
                *described,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            ],
            self._server,
        )

    async def start(self, listen: str) -> int:
        """Serves at `listen` (host:port) and returns the port. Raises OSError if the address is taken."""
        # The servicer begins as SERVING; nothing may be sent here before all is ready.
        await self._set_health(_NOT_SERVING)
        try:
            port = self._server.add_insecure_port(listen)
        except RuntimeError as exc:
            raise OSError(f"can't listen at {listen}: is the port in use?") from exc
        self._tasks = [
            asyncio.create_task(supervise(each, self._gave_up), name=each.name) for each in self._backgrounds
        ]
        await self._server.start()
        await self._set_health(_SERVING)
        return port

    async def stop(self, grace_s: float, *, notice_s: float = 0.0) -> None:
        """Tells balancers to go elsewhere and gives them `notice_s` to do so, lets calls in flight finish for
        `grace_s`, then ends background loops."""
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(notice_s)
        for each in self._drainings:
            each.begin()
        await self._server.stop(grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _set_health(self, status: Any) -> None:
        for name in ("", *self.services):
            await self._health.set(name, status)

    def _gave_up(self, name: str) -> None:
        log.critical("background_given_up", name=name)
        self.failed.set()


class _Names:
    """Stands in for the server while servicers are added, to learn the names of their services."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self.found: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        self.found.extend(handler.service_name() for handler in handlers)
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        self._server.add_registered_method_handlers(service, handlers)


def run(service: str, settings: ServiceSettings, wire: Wire) -> None:
    """Runs a process until SIGTERM or SIGINT, and exits: 0 after a clean end, 1 if it can't start or go on.

    `wire(stack, settings)` opens what the service needs, registers its closing on `stack`, and returns what to serve.
    """
    telemetry.configure_logging(service, settings.log_level)
    if settings.otlp_endpoint:
        telemetry.export_spans(service, settings.otlp_endpoint)
    try:
        code = uvloop.run(_serve(settings, wire))
    except (OSError, ValueError, DomainError) as exc:
        # Foreseen reasons not to start: a port in use, a key file or database that isn't there.
        log.critical("start_failed", error=str(exc), cause=repr(exc.__cause__) if exc.__cause__ else None)
        code = 1
    sys.exit(code)


async def _serve(settings: ServiceSettings, wire: Wire) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    async with AsyncExitStack() as stack:
        verifier = TokenVerifier(settings.verify_jwks_file) if settings.verify_jwks_file else None
        server = MeshServer(
            await wire(stack, settings),
            verifier=verifier,
            max_concurrent_calls=settings.max_concurrent_calls,
            max_open_streams=settings.max_open_streams,
        )
        if settings.metrics_listen:
            stack.callback(_serve_metrics(settings.metrics_listen))
        port = await server.start(settings.listen)
        _set_aside_what_was_loaded()
        log.info("serving", listen=settings.listen, port=port, services=server.services)
        waits = [asyncio.create_task(each.wait()) for each in (stopping, server.failed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        log.info("draining", timeout_s=settings.drain_timeout_s)
        await server.stop(settings.drain_timeout_s, notice_s=settings.drain_notice_s)
        # Pools close when the stack unwinds: nothing uses them any more.
    log.info("stopped")
    return 1 if server.failed.is_set() else 0


def _set_aside_what_was_loaded() -> None:
    """Spares later garbage collections all that was made at start. Walking through every module, class and descriptor
    stops a process for some 25 ms, every few thousand calls."""
    gc.collect()
    gc.freeze()


def _serve_metrics(listen: str) -> Callable[[], None]:
    host, _, port = listen.rpartition(":")
    httpd, thread = prometheus_client.start_http_server(int(port), host.strip("[]"))

    def stop() -> None:
        httpd.shutdown()
        httpd.server_close()
        thread.join(timeout=2)

    return stop
