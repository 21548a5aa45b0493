import json

import pytest

from bench.requests import CONTENT, Customer, RestRequests
from bench.wire import BrokenWire, GrpcWire, RestWire, _frame

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8


def wire() -> GrpcWire:
    made = GrpcWire(lambda number: (b"head", b"body%d" % number))
    made.outgoing.clear()
    return made


def answer(stream: int) -> bytes:
    return _frame(HEADERS, 4, stream, b"h") + _frame(DATA, 0, stream, b"\0\0\0\0\1x") + _frame(HEADERS, 5, stream, b"t")


def test_answers_come_in_any_order_and_in_any_pieces() -> None:
    it = wire()
    for number in (10, 11, 12):
        it.send(number)
    stream = answer(5) + answer(1) + answer(3)
    found = [each for at in range(len(stream)) for each in it.receive(stream[at : at + 1])]
    assert found == [(12, None), (10, None), (11, None)]


def test_an_answer_without_a_message_is_a_refusal() -> None:
    it = wire()
    it.send(1)
    [(number, problem)] = it.receive(_frame(HEADERS, 5, 1, b"grpc-status 8"))
    assert number == 1
    assert problem is not None and "grpc-status 8" in problem


def test_a_reset_ends_its_call() -> None:
    it = wire()
    it.send(1)
    assert list(it.receive(_frame(RST_STREAM, 0, 1, (7).to_bytes(4, "big")))) == [(1, "reset with code 7")]


def test_pings_and_settings_are_acknowledged_once() -> None:
    it = wire()
    assert not list(it.receive(_frame(PING, 0, 0, b"12345678") + _frame(SETTINGS, 0, 0, b"")))
    assert it.outgoing == _frame(PING, 1, 0, b"12345678") + _frame(SETTINGS, 1, 0, b"")
    it.outgoing.clear()
    assert not list(it.receive(_frame(PING, 1, 0, b"12345678") + _frame(SETTINGS, 1, 0, b"")))
    assert not it.outgoing


def test_what_the_peer_will_take_bounds_what_is_sent() -> None:
    it = GrpcWire(lambda number: (b"", b"x" * 10_000))
    for number in range(5):
        assert it.has_room
        it.send(number)
    assert not it.has_room
    assert not list(it.receive(_frame(WINDOW_UPDATE, 0, 0, (50_000).to_bytes(4, "big"))))
    assert it.has_room


def test_the_end_of_a_connection_is_said() -> None:
    with pytest.raises(BrokenWire, match="closed"):
        list(wire().receive(b""))
    with pytest.raises(BrokenWire, match="drain"):
        list(wire().receive(_frame(GOAWAY, 0, 0, b"\0" * 8 + b"drain")))


def rest_wire() -> RestWire:
    requests = RestRequests([Customer("s1", "token")], authority="host:1", run="r")
    return RestWire(requests.build)


def test_rest_sends_json_with_its_length_and_reads_answers_in_pieces() -> None:
    it = rest_wire()
    it.send(1)
    head, _, body = bytes(it.outgoing).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/sessions/s1/messages HTTP/1.1\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body) == {"content": CONTENT, "request_id": "r-00000001"}
    assert not it.has_room
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert [each for at in range(len(reply)) for each in it.receive(reply[at : at + 1])] == [(1, None)]
    assert it.has_room


def test_any_other_rest_status_is_a_refusal() -> None:
    it = rest_wire()
    it.send(4)
    [(number, problem)] = it.receive(b"HTTP/1.1 429 Too Many\r\ncontent-length: 4\r\n\r\nslow")
    assert number == 4
    assert problem is not None and "429" in problem and "slow" in problem
