"""How calls end: refused, failed, late, left alone; and what is counted and said of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import grpc
import pytest
from google.protobuf.message import Message

from meshkit import call, testing
from meshkit.call import Call
from meshkit.errors import DependencyUnavailable, EtagMismatch, RemoteError, from_rpc_error
from meshkit.interceptors import Chain, Layer, metrics
from meshkit.server import Service
from tests.unit.meshkit import echo
from tests.unit.meshkit.calling import SHAPES, invoke, refusal, serve
from tests.unit.meshkit.echo import EchoReply, EchoRequest, EchoStub


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
