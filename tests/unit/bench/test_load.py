"""The load generator against a real grpc.aio server in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import pytest

from bench.load import Load, LoadError, arrivals
from bench.requests import CONTENT, Customer, GrpcRequests
from bench.wire import GrpcWire
from groundline.conversation.v1 import conversation_service_pb2 as pb
from groundline.conversation.v1 import conversation_service_pb2_grpc

CUSTOMERS = (Customer("0192f0c0-0000-7000-8000-000000000001", "t" * 400), Customer("s2", "t2"))


class Desk(conversation_service_pb2_grpc.ConversationServiceServicer):
    """Remembers what it was sent; refuses every `refuse`th call."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, str]] = []
        self.refuse = 0
        self.delay_s = 0.0
        self.under_way = self.most_under_way = 0

    async def PostMessage(self, request: pb.PostMessageRequest, context: Any) -> pb.PostMessageResponse:
        token = dict(context.invocation_metadata())["authorization"]
        self.seen.append((request.session_id, request.content, request.request_id, token))
        if self.refuse and len(self.seen) % self.refuse == 0:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many")
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(self.delay_s)
        self.under_way -= 1
        return pb.PostMessageResponse(message_id="m", sequence=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def port(desk: Desk) -> Iterator[int]:
    started: Future[int] = Future()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server()
        conversation_service_pb2_grpc.add_ConversationServiceServicer_to_server(desk, server)
        started.set_result(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await stopping.wait()
        await server.stop(None)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    yield started.result(10)
    loop.call_soon_threadsafe(stopping.set)
    thread.join(10)


def load_of(port: int) -> Load:
    requests = GrpcRequests(CUSTOMERS, authority=f"127.0.0.1:{port}", run="r")
    return Load(("127.0.0.1", port), [GrpcWire(requests.build) for _ in range(2)])


def test_closed_loop_sends_whole_calls_and_ends_them_all(desk: Desk, port: int) -> None:
    with load_of(port) as load:
        run = load.closed(8, 0.3)
    assert run.sent == len(run.latencies) == len(desk.seen) >= 8
    assert run.completed <= run.sent
    assert run.throughput == run.completed / 0.3
    assert {each[0] for each in desk.seen} == {each.session_id for each in CUSTOMERS}
    assert {each[1] for each in desk.seen} == {CONTENT}
    assert len({each[2] for each in desk.seen}) == run.sent
    assert {each[3] for each in desk.seen} == {f"Bearer {each.token}" for each in CUSTOMERS}


def test_calls_under_way_are_as_many_as_asked_for(desk: Desk, port: int) -> None:
    desk.delay_s = 0.05
    with load_of(port) as load:
        run = load.closed(10, 0.5)
    assert desk.most_under_way == 10
    assert min(run.latencies) >= 0.049


def test_a_refused_call_spoils_a_closed_loop(desk: Desk, port: int) -> None:
    desk.refuse = 5
    with load_of(port) as load, pytest.raises(LoadError, match="too many"):
        load.closed(2, 5)


def test_an_open_loop_counts_what_is_refused(desk: Desk, port: int) -> None:
    desk.refuse = 5
    with load_of(port) as load:
        run = load.open(200, 0.5, seed=1)
    assert run.refused == len(desk.seen) // 5 > 0
    assert "too many" in run.refusal
    assert run.latencies.count(float("inf")) == run.refused


def test_an_open_loop_does_not_wait_for_answers(desk: Desk, port: int) -> None:
    desk.delay_s = 0.2
    with load_of(port) as load:
        run = load.open(100, 0.5, seed=3)
    assert run.sent == len(list(arrivals(100, 0.5, seed=3)))
    # 20 calls are due in the time that the first one takes.
    assert desk.most_under_way >= 10
    assert min(run.lateness) >= 0
    assert min(run.latencies) >= 0.19


def test_a_server_that_goes_away_spoils_the_run(port: int) -> None:
    with load_of(port) as load:
        load.closed(1, 0.05)
        for connection in load._sockets:
            connection.shutdown(2)
        with pytest.raises(LoadError):
            load.closed(1, 1)


def test_arrivals_are_seeded_and_as_many_as_the_rate_says() -> None:
    times = list(arrivals(1000, 10, seed=7))
    assert times == list(arrivals(1000, 10, seed=7)) != list(arrivals(1000, 10, seed=8))
    assert times == sorted(times)
    assert times[0] >= 0 and times[-1] < 10
    assert 9_500 < len(times) < 10_500
