import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from meshkit import call, channels, testing
from meshkit.channels import open_channel, service_config
from meshkit.server import Service
from tests.unit.meshkit import echo
from tests.unit.meshkit.echo import EchoReply, EchoRequest, EchoStub


def test_the_contract_decides_deadlines_and_retries() -> None:
    config = {each["name"][0]["method"]: each for each in service_config([echo.SERVICE])["methodConfig"]}
    assert set(config) == {method.name for method in echo.SERVICE.methods}
    assert config["Brief"]["timeout"] == "0.100s"
    assert "timeout" not in config["Tail"]
    assert [name for name, each in config.items() if "retryPolicy" in each] == ["Unary"]
    assert config["Unary"]["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


class Unavailable:
    """Fails the first calls of each method with `code`."""

    def __init__(self, failures: int, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self.failures, self.code, self.calls = failures, code, 0

    async def __call__(self, request: Any, context: Any) -> Any:
        self.calls += 1
        if self.calls <= self.failures:
            await context.abort(self.code)
        return EchoReply(text="ok")


async def outcome(keys: testing.Keys, method: str, behaviour: Unavailable) -> str:
    service = Service(echo.add_echo_to_server, {method: behaviour})
    async with (
        testing.serve(service, keys=keys) as served,
        served.channel(echo.SERVICE, role="agent") as channel,
    ):
        try:
            return str((await getattr(EchoStub(channel), method)(EchoRequest())).text)
        except grpc.aio.AioRpcError as exc:
            return exc.code().name


async def test_an_idempotent_method_is_tried_again_when_unavailable(keys: testing.Keys) -> None:
    behaviour = Unavailable(2)
    assert await outcome(keys, "Unary", behaviour) == "ok"
    assert behaviour.calls == 3


async def test_no_more_than_three_times(keys: testing.Keys) -> None:
    behaviour = Unavailable(10)
    assert await outcome(keys, "Unary", behaviour) == "UNAVAILABLE"
    assert behaviour.calls == 3


async def test_other_methods_and_other_failures_are_not_tried_again(keys: testing.Keys) -> None:
    once = Unavailable(1)
    assert await outcome(keys, "Public", once) == "UNAVAILABLE"
    internal = Unavailable(1, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert await outcome(keys, "Unary", internal) == "RESOURCE_EXHAUSTED"
    assert (once.calls, internal.calls) == (1, 1)


CALLS = 200


async def attempts(keys: testing.Keys, fails: Callable[[int], bool]) -> int:
    """How many attempts the peer sees of CALLS calls, ten at a time, of which it refuses those that `fails` picks."""
    seen = 0

    async def behaviour(request: Any, context: Any) -> Any:
        nonlocal seen
        seen += 1
        if fails(seen):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return EchoReply(text="ok")

    service = Service(echo.add_echo_to_server, {"Unary": behaviour})
    async with (
        testing.serve(service, keys=keys) as served,
        served.channel(echo.SERVICE, role="agent") as channel,
    ):
        stub = EchoStub(channel)
        for _ in range(CALLS // 10):
            await asyncio.gather(*(stub.Unary(EchoRequest()) for _ in range(10)), return_exceptions=True)
    return seen


@pytest.mark.parametrize("fails", [lambda _: True, lambda attempt: attempt % 2 == 0], ids=["always", "every second"])
async def test_the_budget_keeps_retries_from_adding_to_an_outage(
    keys: testing.Keys, fails: Callable[[int], bool]
) -> None:
    assert CALLS <= await attempts(keys, fails) <= 1.2 * CALLS


async def test_without_the_budget_they_would(keys: testing.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_RETRY", {**channels._RETRY, "initialBackoff": "0.01s"})
    monkeypatch.setattr(channels, "_THROTTLING", {"maxTokens": 1000, "tokenRatio": 1})
    assert await attempts(keys, lambda _: True) > 2 * CALLS


async def test_who_tries_again_elsewhere_calls_once(keys: testing.Keys) -> None:
    behaviour = Unavailable(1)
    service = Service(echo.add_echo_to_server, {"Unary": behaviour})
    async with (
        testing.serve(service, keys=keys) as served,
        open_channel(served.target, echo.SERVICE, bearer=keys.token("agent"), retries=False) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await EchoStub(channel).Unary(EchoRequest())
    assert behaviour.calls == 1


async def test_a_call_carries_deadline_identity_and_trace_of_what_is_being_done(keys: testing.Keys) -> None:
    seen = []

    async def looks(_: Any, __: Any) -> Any:
        activity, left = call.current_activity(), call.remaining_s()
        assert activity is not None
        assert left is not None
        seen.append((activity.request_id, activity.traceparent, activity.principal.subject, left))
        return EchoReply()

    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    service = Service(echo.add_echo_to_server, {"Unary": looks})
    async with (
        testing.serve(service, keys=keys) as served,
        open_channel(served.target, echo.SERVICE, token=keys.service_token("gateway")) as channel,
    ):
        stub = EchoStub(channel)
        activity = call.Activity(request_id="request-1", traceparent=trace, deadline=time.monotonic() + 4)
        token = call.enter(activity)
        await stub.Unary(EchoRequest())
        await stub.Unary(EchoRequest(), timeout=0.5)
        await stub.Unary(EchoRequest(), timeout=30)
        call.leave(token)
        await stub.Unary(EchoRequest())
    assert [each[:3] for each in seen[:3]] == [("request-1", trace, "gateway")] * 3
    assert 1 < seen[0][3] <= 4
    # On the wire a timeout is rounded up to whole milliseconds.
    assert 0 < seen[1][3] < 0.51
    assert 1 < seen[2][3] <= 4
    assert seen[3][0] != "request-1"
    assert 1 < seen[3][3] <= 5


async def test_calls_go_where_a_peer_serves(keys: testing.Keys) -> None:
    """One of two peers drains: no call fails, all go to the other one."""
    first, second = Unavailable(0), Unavailable(0)
    async with (
        testing.serve(Service(echo.add_echo_to_server, {"Public": first}), keys=keys) as one,
        testing.serve(Service(echo.add_echo_to_server, {"Public": second}), keys=keys) as two,
        open_channel(f"ipv4:{one.target},{two.target}", echo.SERVICE) as channel,
    ):
        stub = EchoStub(channel)

        async def both_used() -> bool:
            await stub.Public(EchoRequest())
            return first.calls > 0 and second.calls > 0

        await testing.eventually(both_used)
        await one.server.stop(0.5)
        before = second.calls
        for _ in range(20):
            await stub.Public(EchoRequest())
        assert second.calls == before + 20


@pytest.mark.parametrize("watched", [True, False])
async def test_through_the_edge_one_services_drain_is_not_that_of_all(keys: testing.Keys, watched: bool) -> None:
    """The word on health that comes through the edge is one replica's; the others would have taken the call."""
    service = Service(echo.add_echo_to_server, {"Public": Unavailable(0)})
    async with (
        testing.serve(service, keys=keys) as served,
        open_channel(served.target, echo.SERVICE, watch_health=watched) as channel,
    ):
        stub = EchoStub(channel)
        await stub.Public(EchoRequest())
        await served.server._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)

        async def seen() -> bool:
            return channel.get_state() is not grpc.ChannelConnectivity.READY

        if watched:  # The control: asked for, that word keeps calls from all that is behind the edge.
            await testing.eventually(seen)
            with pytest.raises(grpc.aio.AioRpcError, match="unhealthy"):
                await stub.Public(EchoRequest())
        else:
            for _ in range(20):
                await stub.Public(EchoRequest())


async def test_a_peer_that_is_not_there_fails_quickly(keys: testing.Keys) -> None:
    async with open_channel("127.0.0.1:1", echo.SERVICE) as channel, asyncio.timeout(5):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoStub(channel).Public(EchoRequest())
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
