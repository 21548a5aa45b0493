"""Runs subjects in turns, A B, B A, …, so that the machine's drift meets all of them alike."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.figures import Spread, quantile, ratios
from bench.load import Load, Run
from bench.processes import busy_seconds, cpu_seconds

Say = Callable[[str], None]
# The load generator itself, in the accounts of CPU time.
LOAD = "load generator"


@dataclass(frozen=True)
class Plan:
    """How much is measured. `open_share` is the open loop's rate as a share of a measured capacity."""

    rounds: int = 5
    duration_s: float = 4.0
    concurrency: int = 20
    open_share: float = 0.5
    seed: int = 1


@dataclass(frozen=True)
class Subject:
    """Something that takes calls. `processes` are those that work for it, by name."""

    name: str
    load: Load
    processes: Mapping[str, int]


@dataclass
class Measured:
    """One subject's figures, an entry a round: calls a second, seconds, CPU seconds a call by process."""

    name: str
    throughput: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    lateness_p99: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    refusal: str = ""
    cpu: dict[str, list[float]] = field(default_factory=dict)
    load_share: list[float] = field(default_factory=list)
    """How much of one core the load generator took in the closed loop. Near 1, it would be what is measured."""

    others_share: list[float] = field(default_factory=list)
    """How many cores processes took in the closed loop that have nothing to do with the benchmark. Above a tenth or
    so, the figures say little."""

    def ratio(self, figure: str, to: "Measured") -> Spread:
        """This subject's figure to another's, round by round."""
        return ratios(getattr(self, figure), getattr(to, figure))

    def cpu_us(self) -> dict[str, float]:
        """Microseconds of CPU time a call in the closed loop, by process; the median of the rounds."""
        return {name: statistics.median(values) * 1e6 for name, values in self.cpu.items()}


def measure(
    subjects: Sequence[Subject], plan: Plan, *, capacity_of: Callable[[Sequence[Measured]], float], say: Say
) -> tuple[list[Measured], float]:
    """Warms up, measures all in closed and then in open loop, and returns the figures and the open loop's rate.

    `capacity_of` says, from the closed loop's figures, what the open loop's rate is a share of.
    """
    found = [Measured(subject.name) for subject in subjects]
    pairs = list(zip(subjects, found, strict=True))
    for subject in subjects:
        say(f"{subject.name}: warm-up")
        subject.load.closed(plan.concurrency, max(1.0, plan.duration_s / 2))
    for turn in range(plan.rounds):
        for subject, measured in _in_turn(pairs, turn):
            say(f"{subject.name}: closed loop, round {turn + 1} of {plan.rounds}")
            _closed(subject, measured, plan)
    rate = capacity_of(found) * plan.open_share
    for turn in range(plan.rounds):
        for subject, measured in _in_turn(pairs, turn):
            say(f"{subject.name}: open loop at {rate:.0f}/s, round {turn + 1} of {plan.rounds}")
            # The same arrivals for all.
            _open(measured, subject.load.open(rate, plan.duration_s, seed=plan.seed + turn))
    return found, rate


def _in_turn(pairs: Sequence[tuple[Subject, Measured]], turn: int) -> Sequence[tuple[Subject, Measured]]:
    return pairs if turn % 2 == 0 else pairs[::-1]


def _closed(subject: Subject, measured: Measured, plan: Plan) -> None:
    watched = {**subject.processes, LOAD: os.getpid()}
    before, busy_before = {name: _cpu(name, pid) for name, pid in watched.items()}, busy_seconds()
    begin = time.perf_counter()
    run = subject.load.closed(plan.concurrency, plan.duration_s)
    took = time.perf_counter() - begin
    busy = busy_seconds() - busy_before
    for name, pid in watched.items():
        spent = _cpu(name, pid) - before[name]
        busy -= spent
        measured.cpu.setdefault(name, []).append(spent / len(run.latencies))
        if name == LOAD:
            measured.load_share.append(spent / took)
    measured.others_share.append(max(0.0, busy / took))
    measured.throughput.append(run.throughput)


def _cpu(name: str, pid: int) -> float:
    # The load generator's children are the subjects.
    return time.process_time() if name == LOAD else cpu_seconds(pid)


def _open(measured: Measured, run: Run) -> None:
    measured.p50.append(quantile(run.latencies, 0.50))
    measured.p95.append(quantile(run.latencies, 0.95))
    measured.p99.append(quantile(run.latencies, 0.99))
    measured.lateness_p99.append(quantile(run.lateness, 0.99))
    measured.refused.append(run.refused)
    measured.refusal = measured.refusal or run.refusal
