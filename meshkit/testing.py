"""What tests of every room use: a database of their own, and a real server with the production chain."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import grpc
from google.protobuf.descriptor import ServiceDescriptor

from meshkit.channels import open_channel
from meshkit.identity import ServiceToken, TokenSigner, TokenVerifier, create_keys, role_from_name
from meshkit.server import MeshServer, Registration

# Any number that all test processes share: the template is prepared once, the others wait.
_TEMPLATE_LOCK = 0x67726F756E64


def database_url(server_url: str, name: str, *, user: str | None = None) -> str:
    """`server_url` with another database, and another user if given."""
    parts = urlsplit(server_url)
    netloc = parts.netloc
    if user is not None:
        _, _, host = netloc.rpartition("@")
        netloc = f"{quote(user)}@{host}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{name}"))


async def ensure_template(server_url: str, name: str, migrate: Callable[[str], Awaitable[object]]) -> None:
    """Creates the template database `name` and runs `migrate(url)` on it, unless it is there.

    Put what the content depends on (a digest of the migrations) into `name`.
    """
    conn = await asyncpg.connect(server_url)
    try:
        await conn.execute("select pg_advisory_lock($1)", _TEMPLATE_LOCK)
        if await conn.fetchval("select 1 from pg_database where datname = $1", name):
            return
        draft = f"{name}_{secrets.token_hex(4)}"
        await conn.execute(f'create database "{draft}"')
        await migrate(database_url(server_url, draft))
        # Renamed last, so that a failed migration leaves no template behind.
        await conn.execute(f'alter database "{draft}" rename to "{name}"')
    finally:
        await conn.close()


@asynccontextmanager
async def cloned_database(server_url: str, template: str) -> AsyncIterator[str]:
    """A copy of `template`, as a URL; dropped at the end with whoever is still connected to it."""
    name = f"test_{secrets.token_hex(8)}"
    conn = await asyncpg.connect(server_url)
    try:
        # file_copy makes no WAL of the pages, and a checkpoint of a small template costs next to nothing.
        await conn.execute(f'create database "{name}" template "{template}" strategy file_copy')
        yield database_url(server_url, name)
        await conn.execute(f'drop database "{name}" with (force)')
    finally:
        await conn.close()


@dataclass(frozen=True)
class Keys:
    """Signing and verifying keys of one test."""

    signer: TokenSigner
    jwks_file: Path

    @classmethod
    def create(cls, folder: Path) -> "Keys":
        """Makes keys in `folder`."""
        pem_file, jwks_file = create_keys(folder)
        return cls(TokenSigner.from_file(pem_file), jwks_file)

    def token(self, role: str, subject: str = "tester", *, session_id: str | None = None, ttl_s: float = 60) -> str:
        """A token for `role` (`agent`, `customer`, …)."""
        return self.signer.mint(role_from_name(role), subject, session_id=session_id, ttl_s=ttl_s)

    def service_token(self, service: str) -> ServiceToken:
        """What a service calls its peers with."""
        return ServiceToken(self.signer, service)


@dataclass(frozen=True)
class Served:
    """A server under test. `target` is host:port."""

    target: str
    keys: Keys
    server: MeshServer

    def channel(
        self, *services: ServiceDescriptor, role: str | None = None, session_id: str | None = None
    ) -> grpc.aio.Channel:
        """A channel that calls as `role`; without one, without a credential. Use it as a context manager."""
        bearer = self.keys.token(role, session_id=session_id) if role else None
        return open_channel(self.target, *services, bearer=bearer)


@asynccontextmanager
async def serve(
    *registrations: Registration, keys: Keys, max_concurrent_calls: int = 1000, grace_s: float = 2.0
) -> AsyncIterator[Served]:
    """Serves on a port that the system chooses, with the chain, health and reflection of production."""
    server = MeshServer(
        registrations, verifier=TokenVerifier(keys.jwks_file), max_concurrent_calls=max_concurrent_calls
    )
    port = await server.start("127.0.0.1:0")
    try:
        yield Served(f"127.0.0.1:{port}", keys, server)
    finally:
        await server.stop(grace_s)


async def eventually(
    check: Callable[[], Awaitable[object]], *, timeout_s: float = 10.0, every_s: float = 0.02
) -> object:
    """Waits until `check()` returns something true, and returns that. Raises TimeoutError after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not (found := await check()):  # noqa: ASYNC110 - what is waited for lives in another process
            await asyncio.sleep(every_s)
        return found


def statuses(results: Sequence[object]) -> list[grpc.StatusCode]:
    """The codes of failed calls among the results of `asyncio.gather(…, return_exceptions=True)`."""
    return [each.code() for each in results if isinstance(each, grpc.aio.AioRpcError)]
