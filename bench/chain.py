"""What the chain costs: the same echo with and without it, over the wire, side by side in one run.

`python -m bench.chain [CALLS] [CONCURRENCY]` prints calls per second, latency, and the server's CPU time a call.
"""

import asyncio
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import grpc
import uvloop

from meshkit import telemetry
from meshkit.identity import TokenVerifier
from meshkit.server import SERVER_OPTIONS, MeshServer, Service
from meshkit.testing import Keys
from tests.unit.meshkit import echo


def serve(chained: bool, keys: Keys, pipe: Connection) -> None:
    # Lines are written, as in production; only the disk is left out.
    telemetry.configure_logging("bench", stream=Path(os.devnull).open("w"))  # noqa: SIM115 - open while it serves

    async def main() -> None:
        if chained:
            server = MeshServer([Service(echo.add_echo_to_server, {})], verifier=TokenVerifier(keys.jwks_file))
            pipe.send(await server.start("127.0.0.1:0"))
        else:
            bare = grpc.aio.server(options=SERVER_OPTIONS)
            echo.add_echo_to_server({}, bare)
            pipe.send(bare.add_insecure_port("127.0.0.1:0"))
            await bare.start()
        while await asyncio.to_thread(pipe.recv):
            used = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send(used.ru_utime + used.ru_stime)

    uvloop.run(main())


async def load(port: int, keys: Keys, calls: int, concurrency: int) -> list[float]:
    metadata = (("authorization", f"Bearer {keys.token('agent')}"),)
    request = echo.EchoRequest(text="hello", session_id="0198c6e0-0000-7000-8000-000000000001")
    took: list[float] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = echo.EchoStub(channel)

        async def one_client() -> None:
            for _ in range(calls // concurrency):
                started = time.perf_counter()
                await stub.Unary(request, metadata=metadata)
                took.append(time.perf_counter() - started)

        await asyncio.gather(*(one_client() for _ in range(concurrency)))
    return sorted(took)


def main() -> None:
    calls, concurrency = (int(each) for each in [*sys.argv[1:], "20000", "20"][:2])
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        keys = Keys.create(Path(folder))
        for name, chained in [("bare", False), ("chain", True), ("bare again", False), ("chain again", True)]:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(chained, keys, theirs), daemon=True)
            process.start()
            port = ours.recv()
            uvloop.run(load(port, keys, calls // 10, concurrency))
            ours.send(True)
            before, started = ours.recv(), time.perf_counter()
            took = uvloop.run(load(port, keys, calls, concurrency))
            seconds = time.perf_counter() - started
            ours.send(True)
            cpu = (ours.recv() - before) / len(took) * 1e6
            p50, p99 = (took[int(len(took) * share)] * 1e3 for share in (0.5, 0.99))
            rate = len(took) / seconds
            print(f"{name:12} {rate:8.0f} calls/s  p50 {p50:6.2f} ms  p99 {p99:6.2f} ms  server CPU {cpu:6.0f} µs/call")
            ours.send(False)
            process.join(5)


if __name__ == "__main__":
    main()
