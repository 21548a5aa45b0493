"""Everything of `grpc_cases` through the edge, and where it says so past it: the documented code and reason."""

from collections import Counter
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from meshkit.call import describe

from .grpc_cases import CASES, Called
from .kinds import KINDS
from .world import World

ran: Counter[str] = Counter()


@pytest.mark.parametrize("called", CASES, ids=str)
async def test_is_refused(called: Called, world: World) -> None:
    kind = KINDS[called.kind]
    assert kind.code is not None
    async with world.unchanged():
        refused = await refusal(world, called)
    ran[called.kind] += 1
    # Raises ValueError where code or message of the details differ from those of the call.
    status = rpc_status.from_call(refused)  # type: ignore[arg-type]
    assert status is not None, refused
    info = error_details_pb2.ErrorInfo()
    assert any(each.Unpack(info) for each in status.details)
    assert (code_pb2.Code.Name(status.code), info.reason, info.domain) == (
        code_pb2.Code.Name(kind.code),
        kind.reason,
        "groundline.dev",
    )
    told = status.message.lower()
    assert told
    assert not [word for word in ("traceback", "exception", "asyncpg", "jwt", "select ", "upstream") if word in told]


async def test_every_case_ran(request: pytest.FixtureRequest) -> None:
    selected = [
        each for each in request.session.items if each.name.startswith("test_is_refused[") and each.path == request.path
    ]
    assert ran.total() == len(selected)
    assert len(CASES) == len({str(each) for each in CASES}) == 127


async def refusal(world: World, called: Called) -> grpc.aio.AioRpcError:
    """What the call is refused with; fails if it is not refused."""
    method = describe(called.path).descriptor
    metadata = list(called.metadata)
    if called.token is not None:
        metadata.append(("authorization", f"Bearer {world.names[called.token]}"))
    stack = world.live.stack
    target = stack.target("ticketing") if called.past_the_edge else stack.edge_target
    async with grpc.aio.insecure_channel(target) as channel:
        open_call: Any = channel.unary_stream if method and method.server_streaming else channel.unary_unary
        call = open_call(called.path)(_request(world, called, method), metadata=metadata, timeout=15)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            _ = [each async for each in call] if hasattr(call, "__aiter__") else await call
    return caught.value


def _request(world: World, called: Called, method: Any) -> bytes:
    if called.raw is not None or method is None:
        return called.raw or b""
    message = message_factory.GetMessageClass(method.input_type)()
    json_format.ParseDict(world.fill(called.fields), message)
    return message.SerializeToString()
