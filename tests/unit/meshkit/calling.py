"""Calling the echo service, whatever the method's shape."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from meshkit import testing
from meshkit.errors import RemoteError, from_rpc_error
from meshkit.server import Service
from tests.unit.meshkit import echo
from tests.unit.meshkit.echo import EchoStub

SHAPES = ("Unary", "ServerStream", "ClientStream", "Both")
SESSION = "0198c6e0-0000-7000-8000-000000000001"


async def invoke(stub: EchoStub, method: str, *requests: Any) -> list[Any]:
    """Calls `method`, whatever its shape, and returns all replies."""
    descriptor = echo.SERVICE.methods_by_name[method]

    async def stream() -> AsyncIterator[Any]:
        for each in requests:
            yield each

    started = getattr(stub, method)(stream() if descriptor.client_streaming else requests[0])
    return [each async for each in started] if descriptor.server_streaming else [await started]


async def refusal(stub: EchoStub, method: str, *requests: Any) -> RemoteError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await invoke(stub, method, *requests)
    return from_rpc_error(caught.value)


def serve(keys: testing.Keys, **behaviours: Any) -> Any:
    return testing.serve(Service(echo.add_echo_to_server, behaviours), keys=keys)
