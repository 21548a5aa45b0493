"""Connections to endpoints: a name is resolved once, its addresses are checked, and one of those is connected to."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeAlias

import httpcore

from svc_workers.webhooks.addresses import is_public

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""A name and a port to IP addresses as text. Raises OSError."""

MAX_ADDRESSES = 4
"""How many of a name's addresses are tried."""


class RefusedAddress(Exception):
    """The endpoint's host leads to an address that is not of the open internet."""


class Unresolved(Exception):
    """The endpoint's host has no address."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Asks the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only.

    What was resolved is what is connected to, so that a name whose answer changes between check and use gains nothing.
    A name with even one address inside is refused. The address at the other end is checked again once connected,
    before a byte is sent. With `allow_private` (development and tests) nothing is refused.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises RefusedAddress, Unresolved, and httpcore.ConnectError or ConnectTimeout of the last address tried."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as exc:
            raise Unresolved() from exc
        if not addresses:
            raise Unresolved()
        if not self._allow_private and not all(map(is_public, addresses)):
            raise RefusedAddress()
        *others, last = addresses[:MAX_ADDRESSES]
        for address in others:
            try:
                return await self._connect(address, port, timeout, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._connect(last, port, timeout, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """No endpoint is a file."""
        raise RefusedAddress()

    async def sleep(self, seconds: float) -> None:
        """Asked for by the interface; nothing is retried at this level."""
        await asyncio.sleep(seconds)

    async def _connect(
        self, address: str, port: int, timeout: float | None, options: Iterable[httpcore.SOCKET_OPTION] | None
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._network.connect_tcp(address, port, timeout=timeout, socket_options=options)
        if not self._allow_private:
            peer = stream.get_extra_info("server_addr")
            if not peer or not is_public(str(peer[0])):
                await stream.aclose()
                raise RefusedAddress()
        return stream
