"""The load generator: closed loop for throughput, open loop for what a waiting customer sees."""

import gc
import math
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.wire import Answer, BrokenWire, Wire

# Nothing in a benchmark takes so long; beyond, it is stuck.
ANSWER_TIMEOUT_S = 15.0


class LoadError(Exception):
    """The run is worthless; the message says why."""


@dataclass(slots=True)
class Run:
    """What one run saw. Times in seconds.

    `latencies` are from the moment a call was due, which in a closed loop is when it was sent; that of a refused call
    is infinite. `lateness` is how long after it was due a call was sent: in an open loop, the load generator's own
    fault, or that all connections were full.
    """

    duration_s: float
    completed: int = 0
    """Calls that ended within the duration."""
    sent: int = 0
    refused: int = 0
    refusal: str = ""
    """What was said to the first refused call."""
    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        """Calls completed a second."""
        return self.completed / self.duration_s


class Load:
    """Connections to one server, kept open from run to run. Use as a context manager."""

    def __init__(self, address: tuple[str, int], wires: Sequence[Wire]) -> None:
        self._address = address
        self._wires = wires
        self._sockets: dict[socket.socket, Wire] = {}
        self._number = 0
        self._turn = 0

    def __enter__(self) -> "Load":
        for wire in self._wires:
            connection = socket.create_connection(self._address, timeout=5)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            self._sockets[connection] = wire
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._sockets:
            connection.close()

    def closed(self, concurrency: int, duration_s: float) -> Run:
        """Keeps `concurrency` calls under way. Raises LoadError if one of them fails."""
        run = Run(duration_s)
        due: dict[int, float] = {}
        with _undisturbed():
            begin = time.perf_counter()
            end = begin + duration_s
            while (now := time.perf_counter()) < end or due:
                if now < end:
                    while len(due) < concurrency and (wire := self._free()) is not None:
                        self._number += 1
                        wire.send(self._number)
                        due[self._number] = time.perf_counter()
                        run.sent += 1
                for number, problem in self._exchange(0.05 if now < end else 1.0, patience_of=due):
                    if problem is not None:
                        raise LoadError(problem)
                    at = time.perf_counter()
                    run.latencies.append(at - due.pop(number))
                    run.completed += at <= end
        return run

    def open(self, rate: float, duration_s: float, *, seed: int) -> Run:
        """Sends `rate` calls a second at the times of a Poisson process, whether earlier ones are answered or not.

        Raises LoadError if the server ends connections, stops to answer or can't keep up; what it refuses is counted.
        """
        run = Run(duration_s)
        due: dict[int, float] = {}
        schedule = deque(arrivals(rate, duration_s, seed=seed))
        with _undisturbed():
            begin = time.perf_counter()
            end = begin + duration_s
            while schedule or due:
                now = time.perf_counter()
                if now > end + ANSWER_TIMEOUT_S:
                    raise LoadError(f"{rate:.0f} calls a second are far more than are answered")
                while schedule and begin + schedule[0] <= now and (wire := self._free()) is not None:
                    self._number += 1
                    intended = begin + schedule.popleft()
                    wire.send(self._number)
                    due[self._number] = intended
                    run.lateness.append(time.perf_counter() - intended)
                    run.sent += 1
                pause = begin + schedule[0] - time.perf_counter() if schedule else 1.0
                # Past due: all connections are full, and only an answer helps.
                for number, problem in self._exchange(pause if pause > 0 else 0.01, patience_of=due):
                    at, intended = time.perf_counter(), due.pop(number)
                    run.latencies.append(at - intended if problem is None else math.inf)
                    run.completed += problem is None and at <= end
                    if problem is not None:
                        run.refused += 1
                        run.refusal = run.refusal or problem
        return run

    def _free(self) -> Wire | None:
        # Round robin: the connection that was used last is looked at last.
        for _ in self._wires:
            self._turn = (self._turn + 1) % len(self._wires)
            if self._wires[self._turn].has_room:
                return self._wires[self._turn]
        return None

    def _exchange(self, timeout_s: float, *, patience_of: dict[int, float]) -> Iterator[Answer]:
        """Sends and receives what there is, waiting at most `timeout_s`; yields the calls that ended."""
        writing = []
        for connection, wire in self._sockets.items():
            if wire.outgoing and not _flush(connection, wire):
                writing.append(connection)
        # select's timeout has microseconds; epoll's has milliseconds, which an open loop would measure.
        readable, writable, _ = select.select(self._sockets, writing, (), max(0.0, timeout_s))
        if not readable and patience_of and time.perf_counter() - min(patience_of.values()) > ANSWER_TIMEOUT_S:
            raise LoadError(f"no answer within {ANSWER_TIMEOUT_S:.0f} s")
        for connection in writable:
            _flush(connection, self._sockets[connection])
        for connection in readable:
            try:
                yield from self._sockets[connection].receive(connection.recv(65536))
            except (OSError, BrokenWire) as exc:
                raise LoadError(str(exc)) from exc


def arrivals(rate: float, duration_s: float, *, seed: int) -> Iterator[float]:
    """The times in seconds, from 0 to `duration_s`, at which a Poisson process with `rate` a second has an event."""
    draw, at = random.Random(seed), 0.0
    while (at := at + draw.expovariate(rate)) < duration_s:
        yield at


def _flush(connection: socket.socket, wire: Wire) -> bool:
    """Whether all could be sent."""
    try:
        del wire.outgoing[: connection.send(wire.outgoing)]
    except BlockingIOError:
        return False
    except OSError as exc:
        raise LoadError(str(exc)) from exc
    return not wire.outgoing


@contextmanager
def _undisturbed(collect: Callable[[], object] = gc.collect) -> Iterator[None]:
    """Keeps this process' garbage collector out of the measured latencies."""
    collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
