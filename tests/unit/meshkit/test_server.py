import asyncio
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from meshkit import testing
from meshkit.server import Background, MeshServer, Service
from tests.unit.meshkit import echo
from tests.unit.meshkit.echo import EchoReply, EchoRequest, EchoStub

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def health(channel: grpc.aio.Channel, service: str = "") -> Any:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


async def test_health_is_per_server_and_per_service_and_needs_no_credential(keys: testing.Keys) -> None:
    async with testing.serve(Service(echo.add_echo_to_server, {}), keys=keys) as served, served.channel() as channel:
        assert await health(channel) == SERVING
        assert await health(channel, echo.SERVICE.full_name) == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(channel, "unknown.Service")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_watchers_hear_of_the_drain_while_calls_in_flight_finish(keys: testing.Keys) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def waits(_: Any, __: Any) -> Any:
        entered.set()
        await go.wait()
        return EchoReply(text="finished")

    service = Service(echo.add_echo_to_server, {"Unary": waits})
    async with testing.serve(service, keys=keys) as served, served.channel(role="agent") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        started = EchoStub(channel).Unary(EchoRequest())
        await entered.wait()
        stopping = asyncio.create_task(served.server.stop(5))
        async with asyncio.timeout(5):
            assert (await watch.read()).status == NOT_SERVING
            watch.cancel()
            go.set()
            assert (await started).text == "finished"
            await stopping


async def test_reflection_names_the_services(keys: testing.Keys) -> None:
    async def ask() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async with testing.serve(Service(echo.add_echo_to_server, {}), keys=keys) as served, served.channel() as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(grpc.Channel, channel))
        answers = [each async for each in stub.ServerReflectionInfo(ask())]
    names = {each.name for each in answers[0].list_services_response.service}
    assert {echo.SERVICE.full_name, "grpc.health.v1.Health"} <= names


async def test_a_message_beyond_the_limit_is_refused(keys: testing.Keys) -> None:
    async with (
        testing.serve(Service(echo.add_echo_to_server, {}), keys=keys) as served,
        grpc.aio.insecure_channel(served.target, options=[("grpc.max_send_message_length", -1)]) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoStub(channel).Public(EchoRequest(blob=b"x" * (5 << 20)))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_taken_port_is_said_so(keys: testing.Keys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = MeshServer([], verifier=None)
        with pytest.raises(OSError, match="can't listen at"):
            await server.start(f"127.0.0.1:{taken.getsockname()[1]}")


async def test_background_loops_run_beside_and_end_with_the_server(keys: testing.Keys) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def loop() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    async with testing.serve(Background("loop", loop), keys=keys):
        async with asyncio.timeout(5):
            await entered.wait()
    assert left.is_set()


async def test_a_loop_that_can_not_be_kept_alive_fails_the_server(keys: testing.Keys) -> None:
    async def loop() -> None:
        raise RuntimeError

    async with testing.serve(Background("loop", loop, max_crashes=1), keys=keys) as served:
        async with asyncio.timeout(5):
            await served.server.failed.wait()


PROCESS = """
import asyncio
from meshkit.config import ServiceSettings, read
from meshkit.server import Background, Service, run
from tests.unit.meshkit import echo

async def slow(request, context):
    print("ENTERED", flush=True)
    await asyncio.sleep(0.3)
    return echo.EchoReply(text="finished")

async def wire(stack, settings):
    stack.callback(lambda: print("POOL CLOSED", flush=True))
    return [Service(echo.add_echo_to_server, {"Unary": slow})]

run("tested", read(ServiceSettings), wire)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def started(keys: testing.Keys, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, which does not outlive the test even if that fails."""
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "PYTHONPATH": f"{root}:{root / 'gen'}",
        "GROUNDLINE_VERIFY_JWKS_FILE": str(keys.jwks_file),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_serves_metrics_drains_and_ends_cleanly(keys: testing.Keys, end: signal.Signals) -> None:
    port, metrics_port = free_port(), free_port()
    served = testing.Served(f"127.0.0.1:{port}", keys, MeshServer([], verifier=None))
    where = {"GROUNDLINE_LISTEN": served.target, "GROUNDLINE_METRICS_LISTEN": f"127.0.0.1:{metrics_port}"}
    async with asyncio.timeout(30), started(keys, **where) as process, served.channel(role="agent") as channel:
        assert process.stdout is not None
        assert b'"event":"serving"' in await process.stdout.readline()
        stub = EchoStub(channel)
        await stub.Public(EchoRequest())
        url = f"http://127.0.0.1:{metrics_port}/metrics"
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read())
        assert b'groundline_rpc_calls_total{code="OK",method="meshkit.test.v1.Echo/Public"} 1.0' in page
        in_flight = stub.Unary(EchoRequest())
        while b"ENTERED" not in await process.stdout.readline():
            pass
        process.send_signal(end)
        assert (await in_flight).text == "finished"
        rest = await process.stdout.read()
        assert await process.wait() == 0
    assert rest.index(b'"draining"') < rest.index(b"POOL CLOSED") < rest.index(b'"stopped"')


async def test_a_process_that_can_not_start_says_why_in_one_line(keys: testing.Keys, tmp_path: Path) -> None:
    async with started(keys, GROUNDLINE_VERIFY_JWKS_FILE=str(tmp_path / "absent.json")) as process:
        out, _ = await process.communicate()
    assert process.returncode == 1
    (line,) = out.splitlines()
    assert b"start_failed" in line
    assert b"absent.json" in line
