import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import grpc
import pytest
from google.protobuf.message import Message

from meshkit import call, testing
from meshkit.call import Call
from meshkit.errors import DependencyUnavailable, EtagMismatch, RemoteError, from_rpc_error
from meshkit.interceptors import Chain, Layer, metrics, standard_layers
from meshkit.server import Service
from tests.unit.meshkit import echo
from tests.unit.meshkit.echo import EchoReply, EchoRequest, EchoStub

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


async def test_a_foreseen_error_keeps_code_reason_metadata_and_retry(keys: testing.Keys) -> None:
    async def refuses(_: Any, __: Any) -> Any:
        raise EtagMismatch(etag="7", retry_after_s=1.5)

    async with serve(keys, Unary=refuses) as served, served.channel(role="agent") as channel:
        refused = await refusal(EchoStub(channel), "Unary", EchoRequest())
    assert (refused.code, refused.reason, refused.metadata, refused.retry_after_s) == (
        10,
        "ETAG_MISMATCH",
        {"etag": "7"},
        1.5,
    )


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_unforeseen_error_says_nothing_but_the_request_id(shape: str, keys: testing.Keys) -> None:
    async def fails(_: Any, __: Any) -> Any:
        raise ValueError("secret of the database")

    async with serve(keys, **{shape: fails}) as served, served.channel(role="agent") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await invoke(EchoStub(channel), shape, EchoRequest())
    refused = from_rpc_error(caught.value)
    assert (refused.code, refused.reason) == (13, "INTERNAL")
    assert dict(caught.value.trailing_metadata())["x-request-id"] == refused.metadata["request_id"]
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize(
    ("raised", "code", "reason"),
    [
        (asyncpg.TooManyConnectionsError("full"), 8, "OVERLOADED"),
        (asyncpg.QueryCanceledError("slow"), 8, "OVERLOADED"),
        (ConnectionRefusedError("gone"), 14, "DEPENDENCY_UNAVAILABLE"),
        (asyncpg.AdminShutdownError("bye"), 14, "DEPENDENCY_UNAVAILABLE"),
        (RemoteError(14, ""), 14, "DEPENDENCY_UNAVAILABLE"),
        (RemoteError(4, "DEADLINE_EXCEEDED"), 14, "DEPENDENCY_UNAVAILABLE"),
        (RemoteError(9, "TICKET_ALREADY_CLOSED", {"ticket_id": "1"}), 9, "TICKET_ALREADY_CLOSED"),
        # A peer that refuses our own credential is our bug, and so is a refusal without a reason.
        (RemoteError(16, "CREDENTIAL_INVALID"), 13, "INTERNAL"),
        (RemoteError(5, ""), 13, "INTERNAL"),
        (asyncpg.UndefinedTableError("bug"), 13, "INTERNAL"),
        (TimeoutError("somebody's own"), 13, "INTERNAL"),
    ],
)
async def test_failures_of_what_a_call_depends_on(
    raised: Exception, code: int, reason: str, keys: testing.Keys
) -> None:
    async def fails(_: Any, __: Any) -> Any:
        raise raised

    async with serve(keys, Unary=fails) as served, served.channel(role="agent") as channel:
        refused = await refusal(EchoStub(channel), "Unary", EchoRequest())
    assert (refused.code, refused.reason) == (code, reason)
    assert (refused.retry_after_s is not None) == (reason in ("OVERLOADED", "DEPENDENCY_UNAVAILABLE"))


async def test_a_longer_client_deadline_is_cut_to_the_contracts(keys: testing.Keys) -> None:
    async def sleeps(_: Any, __: Any) -> Any:
        await asyncio.Event().wait()

    async with serve(keys, Brief=sleeps) as served, served.channel(role="agent") as channel:
        # Opened without the service's contract, so that only the server cuts.
        async with asyncio.timeout(3):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await EchoStub(channel).Brief(EchoRequest(), timeout=30)
    assert from_rpc_error(caught.value).reason == "DEADLINE_EXCEEDED"


async def test_a_stream_without_an_end_ends_well_when_its_time_is_up(keys: testing.Keys) -> None:
    async def tail(_: Any, __: Any) -> AsyncIterator[Any]:
        yield EchoReply(text="first")
        await asyncio.Event().wait()

    async with serve(keys, Tail=tail) as served, served.channel(role="agent") as channel:
        assert [each.text for each in await invoke(EchoStub(channel), "Tail", EchoRequest())] == ["first"]


async def test_a_client_that_leaves_cancels_the_handler_and_is_not_counted_as_success(keys: testing.Keys) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def waits(_: Any, __: Any) -> Any:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    before = count("Unary", "CANCELLED"), count("Unary", "OK")
    async with serve(keys, Unary=waits) as served, served.channel(role="agent") as channel:
        started = EchoStub(channel).Unary(EchoRequest())
        await entered.wait()
        started.cancel()
        async with asyncio.timeout(5):
            await left.wait()
    assert (count("Unary", "CANCELLED"), count("Unary", "OK")) == (before[0] + 1, before[1])


@pytest.mark.parametrize("shape", SHAPES)
async def test_calls_are_counted_by_how_they_ended(shape: str, keys: testing.Keys) -> None:
    before = count(shape, "OK"), count(shape, "INVALID_ARGUMENT")
    async with serve(keys) as served, served.channel(role="agent") as channel:
        await invoke(EchoStub(channel), shape, EchoRequest())
        await refusal(EchoStub(channel), shape, EchoRequest(text="x" * 11))
    assert (count(shape, "OK"), count(shape, "INVALID_ARGUMENT")) == (before[0] + 1, before[1] + 1)
    in_flight = {each.labels["method"]: each.value for found in metrics.IN_FLIGHT.collect() for each in found.samples}
    assert in_flight[f"{echo.SERVICE.full_name}/{shape}"] == 0


async def test_a_call_too_many_is_refused_at_once_with_the_time_to_come_again(keys: testing.Keys) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def waits(_: Any, __: Any) -> Any:
        entered.set()
        await go.wait()
        return EchoReply()

    service = Service(echo.add_echo_to_server, {"Unary": waits})
    async with (
        testing.serve(service, keys=keys, max_concurrent_calls=1) as served,
        served.channel(role="agent") as channel,
    ):
        stub = EchoStub(channel)
        first = stub.Unary(EchoRequest())
        await entered.wait()
        refused = await refusal(stub, "Public", EchoRequest())
        # A stream without an end has its own places.
        assert (await stub.Tail(EchoRequest()).read()).text == ""
        go.set()
        await first
        await invoke(stub, "Public", EchoRequest())
    assert (refused.code, refused.reason, refused.retry_after_s) == (8, "OVERLOADED", 0.5)


async def test_ids_are_taken_from_the_caller_where_usable(keys: testing.Keys) -> None:
    async def ids(_: Any, __: Any) -> Any:
        activity = call.current_activity()
        assert activity is not None
        return EchoReply(text=f"{activity.request_id} {activity.traceparent}")

    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    async with serve(keys, Unary=ids) as served, served.channel(role="agent") as channel:
        stub = EchoStub(channel)
        given = await stub.Unary(EchoRequest(), metadata=(("x-request-id", "request-1"), ("traceparent", trace)))
        assert given.text == f"request-1 {trace}"
        made = await stub.Unary(EchoRequest(), metadata=(("x-request-id", "a b"), ("traceparent", "00-" + "0" * 52)))
        request_id, traceparent = made.text.split(" ")
        assert len(request_id) == 36
        assert len(traceparent) == 55
        assert traceparent[3:35] != "0" * 32


async def test_a_layer_that_fails_on_the_way_out_does_not_leak(keys: testing.Keys) -> None:
    class Broken(Layer):
        name = "broken"

        def after(self, call: Call, error: BaseException | None) -> BaseException | None:
            raise RuntimeError("secret")

        def on_message(self, call: Call, message: Message) -> None:
            """Nothing."""

    server = grpc.aio.server(interceptors=(Chain([Broken()]),))
    echo.add_echo_to_server({}, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        refused = await refusal(EchoStub(channel), "Unary", EchoRequest())
    await server.stop(0)
    assert (refused.code, refused.reason) == (13, "INTERNAL")


async def test_a_refusal_of_a_dependency_keeps_its_own_words(keys: testing.Keys) -> None:
    async def fails(_: Any, __: Any) -> Any:
        raise DependencyUnavailable(retry_after_s=3)

    async with serve(keys, Both=fails) as served, served.channel(role="agent") as channel:
        assert (await refusal(EchoStub(channel), "Both", EchoRequest())).retry_after_s == 3


def serve(keys: testing.Keys, **behaviours: Any) -> Any:
    return testing.serve(Service(echo.add_echo_to_server, behaviours), keys=keys)


def count(method: str, code: str) -> float:
    return float(metrics.CALLS.labels(f"{echo.SERVICE.full_name}/{method}", code)._value.get())


async def test_a_clients_own_deadline_ends_the_handler(keys: testing.Keys) -> None:
    left = asyncio.Event()

    async def waits(_: Any, __: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    before = count("Unary", "DEADLINE_EXCEEDED")
    async with serve(keys, Unary=waits) as served, served.channel(role="agent") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoStub(channel).Unary(EchoRequest(), timeout=0.05)
        async with asyncio.timeout(5):
            await left.wait()
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert count("Unary", "DEADLINE_EXCEEDED") == before + 1
