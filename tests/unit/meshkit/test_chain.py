import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from meshkit import call, testing
from meshkit.errors import from_rpc_error
from meshkit.interceptors import Chain, Layer, standard_layers
from tests.unit.meshkit import echo
from tests.unit.meshkit.calling import SESSION, SHAPES, invoke, refusal, serve
from tests.unit.meshkit.echo import EchoReply, EchoRequest, EchoStub


def layers() -> tuple[Layer, ...]:
    return standard_layers(None, max_concurrent_calls=10, max_open_streams=10)


def test_the_order_is_the_documented_one() -> None:
    names = [layer.name for layer in layers()]
    assert names == [
        "request_id",
        "tracing",
        "metrics",
        "access_log",
        "errors",
        "admission",
        "authentication",
        "access_rule",
        "validation",
    ]
    Chain(layers())


def test_every_layer_that_is_moved_outside_of_one_that_it_needs_is_refused() -> None:
    refused = 0
    for first, second in itertools.combinations(range(len(layers())), 2):
        swapped = list(layers())
        swapped[first], swapped[second] = swapped[second], swapped[first]
        needs = any(
            set(layer.inside) & {other.name for other in swapped[position + 1 :]}
            for position, layer in enumerate(swapped)
        )
        if needs:
            refused += 1
            with pytest.raises(ValueError, match="must stand outside"):
                Chain(swapped)
    # All pairs but those whose order is a matter of taste.
    assert refused >= 30


def test_a_layer_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Chain([*layers(), layers()[0]])


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_call_passes(shape: str, keys: testing.Keys) -> None:
    async with serve(keys) as served, served.channel(role="agent") as channel:
        assert (await invoke(EchoStub(channel), shape, EchoRequest(text="hello")))[0].text == "hello"


@pytest.mark.parametrize("shape", SHAPES)
async def test_who_may_not_call_is_refused(shape: str, keys: testing.Keys) -> None:
    async with serve(keys) as served:
        async with served.channel() as channel:
            missing = await refusal(EchoStub(channel), shape, EchoRequest())
        async with served.channel(role="adapter") as channel:
            role = await refusal(EchoStub(channel), shape, EchoRequest())
    assert (missing.code, missing.reason) == (16, "CREDENTIAL_MISSING")
    assert (role.code, role.reason, role.metadata["role"]) == (7, "ROLE_NOT_ALLOWED", "adapter")


@pytest.mark.parametrize("shape", SHAPES)
async def test_constraints_are_enforced_in_the_first_and_in_a_later_message(shape: str, keys: testing.Keys) -> None:
    good, bad = EchoRequest(text="good"), EchoRequest(text="longer than ten")
    streams = echo.SERVICE.methods_by_name[shape].client_streaming
    async with serve(keys) as served, served.channel(role="agent") as channel:
        for requests in [(bad,), (good, bad)] if streams else [(bad,)]:
            refused = await refusal(EchoStub(channel), shape, *requests)
            assert (refused.code, refused.reason) == (3, "INVALID_REQUEST")
            assert [each.field for each in refused.violations] == ["text"]


async def test_reading_a_stream_message_by_message_is_no_way_around_the_checks(keys: testing.Keys) -> None:
    seen = []

    async def reads(_: Any, context: Any) -> Any:
        while (message := await context.read()) is not grpc.aio.EOF:
            seen.append(message.text)
        return EchoReply()

    async with serve(keys, ClientStream=reads) as served, served.channel(role="agent") as channel:
        refused = await refusal(EchoStub(channel), "ClientStream", EchoRequest(text="a"), EchoRequest(text="b" * 11))
    assert refused.reason == "INVALID_REQUEST"
    assert seen == ["a"]


@pytest.mark.parametrize("shape", SHAPES)
async def test_bytes_that_are_no_message_are_refused_without_the_parser_s_words(shape: str, keys: testing.Keys) -> None:
    method = echo.SERVICE.methods_by_name[shape]
    good, not_utf8 = EchoRequest(text="good").SerializeToString(), b"\x12\x02\xff\xfe"
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    async with serve(keys) as served, served.channel(role="agent") as channel:
        # `open_channel` knows no shape of its own: the generic call takes the bytes as they are.
        call = getattr(channel, kind)(f"/{echo.SERVICE.full_name}/{shape}")
        for sent in [[b"\xff"], [not_utf8], *([[good, not_utf8]] if method.client_streaming else [])]:

            async def stream(requests: list[bytes] = sent) -> AsyncIterator[bytes]:
                for each in requests:
                    yield each

            started = call(stream() if method.client_streaming else sent[0], timeout=5)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [each async for each in started] if method.server_streaming else await started
            refused = from_rpc_error(caught.value)
            assert (refused.code, refused.reason) == (3, "INVALID_REQUEST")
            assert "pars" not in refused.text.lower()


async def test_every_violation_is_named_with_its_path(keys: testing.Keys) -> None:
    request = EchoRequest(text="a\0", items=[{"name": "x\0", "code": "UPPER"}], labels={"k": "\0", "k\0": "v"})
    async with serve(keys) as served, served.channel(role="agent") as channel:
        refused = await refusal(EchoStub(channel), "Unary", request)
    assert {each.field for each in refused.violations} == {
        "items[0].code",
        "text",
        "items[0].name",
        "labels['k']",
        "labels",
    }


async def test_bytes_may_hold_nul(keys: testing.Keys) -> None:
    async with serve(keys) as served, served.channel(role="agent") as channel:
        await invoke(EchoStub(channel), "Unary", EchoRequest(blob=b"\0"))


@pytest.mark.parametrize("role", ["agent", "admin", "service"])
async def test_a_method_without_a_rule_is_refused_to_all(role: str, keys: testing.Keys) -> None:
    async with serve(keys) as served, served.channel(role=role) as channel:
        refused = await refusal(EchoStub(channel), "Ruleless", EchoRequest())
    assert (refused.code, refused.reason) == (7, "NO_ACCESS_RULE")


@pytest.mark.parametrize("method", ["OfSession", "OfSessionStream"])
async def test_a_customer_reaches_only_its_own_session(method: str, keys: testing.Keys) -> None:
    own, foreign = EchoRequest(session_id=SESSION), EchoRequest(session_id=SESSION[:-1] + "2")
    async with serve(keys) as served:
        async with served.channel(role="customer", session_id=SESSION) as channel:
            await invoke(EchoStub(channel), method, own)
            for request in (foreign, EchoRequest()):
                refused = await refusal(EchoStub(channel), method, request)
                assert (refused.code, refused.reason, refused.metadata) == (7, "OUT_OF_SCOPE", {})
        async with served.channel(role="agent") as channel:
            await invoke(EchoStub(channel), method, foreign)


async def test_a_public_method_needs_no_credential_but_refuses_a_bad_one(keys: testing.Keys) -> None:
    async def who(_: Any, __: Any) -> Any:
        return EchoReply(text=call.current_principal().subject)

    async with serve(keys, Public=who) as served, served.channel() as channel:
        stub = EchoStub(channel)
        assert (await stub.Public(EchoRequest())).text == "anonymous"
        for header in ("Bearer nonsense", "Basic dGVzdA==", "Bearer"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Public(EchoRequest(), metadata=(("authorization", header),))
            assert from_rpc_error(caught.value).reason == "CREDENTIAL_INVALID"


async def test_the_session_cookie_is_a_credential_and_the_header_wins(keys: testing.Keys) -> None:
    async with serve(keys) as served, served.channel() as channel:
        cookie = ("cookie", f"theme=dark; groundline_session={keys.token('customer', session_id=SESSION)}")
        stub, own = EchoStub(channel), EchoRequest(session_id=SESSION)
        await stub.OfSession(own, metadata=(cookie,))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.OfSession(own, metadata=(cookie, ("authorization", f"Bearer {keys.token('adapter')}")))
    assert from_rpc_error(caught.value).reason == "ROLE_NOT_ALLOWED"
