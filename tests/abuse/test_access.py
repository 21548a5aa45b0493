"""Every RPC behind the edge, called by everybody who may not: nobody gets past the contract's access rule."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import message_factory

from cli.stack.edge import read_methods
from cli.stack.layout import REPOSITORY
from groundline.options.v1 import access_pb2
from meshkit.call import Method, describe
from meshkit.errors import RemoteError, from_rpc_error

from .kinds import KINDS
from .world import World

ROLES = ("customer", "adapter", "agent", "supervisor", "admin", "service")
AT_ONCE = 16


@dataclass(frozen=True)
class Attempt:
    method: Method
    role: str | None
    kind: str
    session: str = ""


def attempts(world: World) -> list[Attempt]:
    """All that must be refused. A method that everybody may call can only be called with a bad credential."""
    found: list[Attempt] = []
    for each in read_methods(REPOSITORY / "gen" / "groundline.binpb"):
        method = describe(each.path)
        assert method.access is not None, each.path
        if method.access.public:
            continue
        found.append(Attempt(method, None, "no_credential"))
        allowed = {access_pb2.Role.Name(role).removeprefix("ROLE_").lower() for role in method.access.roles}
        found += [Attempt(method, role, "role") for role in ROLES if role not in allowed]
        if method.access.scope == access_pb2.SCOPE_SESSION and "customer" in allowed:
            # Another's, one that isn't there, none.
            others = (world.names["theirs"], world.names["nobody"], "")
            found += [Attempt(method, "customer", "scope", session) for session in others]
    return found


async def test_who_may_not_call(world: World) -> None:
    made = attempts(world)
    gate = asyncio.Semaphore(AT_ONCE)
    async with world.unchanged(), grpc.aio.insecure_channel(world.live.stack.edge_target) as channel:

        async def answered(attempt: Attempt) -> str:
            async with gate:
                refused = await _try(world, channel, attempt)
            kind = KINDS[attempt.kind]
            as_documented = refused is not None and (refused.code, refused.reason) == (kind.code, kind.reason)
            return "" if as_documented else f"{attempt.method.path} as {attempt.role}: {refused}"

        wrong = [each for each in await asyncio.gather(*map(answered, made)) if each]
    assert not wrong, "\n".join(wrong)
    count = Counter(each.kind for each in made)
    methods = {each.method.path for each in made}
    assert len(methods) >= 38, "all methods but those for everybody"
    assert count["no_credential"] == len(methods)
    assert count["role"] >= 100
    assert count["scope"] == 24


async def _try(world: World, channel: grpc.aio.Channel, attempt: Attempt) -> RemoteError | None:
    descriptor = attempt.method.descriptor
    assert descriptor is not None
    assert not descriptor.client_streaming, "not tried yet"
    message: Any = message_factory.GetMessageClass(descriptor.input_type)()
    if attempt.session:
        message.session_id = attempt.session
    metadata = []
    if attempt.role is not None:
        token = world.live.token(attempt.role, session_id=world.names["mine"] if attempt.role == "customer" else None)
        metadata.append(("authorization", f"Bearer {token}"))
    open_call: Any = channel.unary_stream if descriptor.server_streaming else channel.unary_unary
    call = open_call(attempt.method.path)(message.SerializeToString(), metadata=metadata, timeout=10)
    try:
        _ = [each async for each in call] if descriptor.server_streaming else await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    return None
