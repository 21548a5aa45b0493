import json
import math

import pytest

from bench.__main__ import main
from bench.figures import Spread, quantile, ratios
from bench.report import Table, side_by_side_table, to_json, to_markdown
from bench.side_by_side import Measured


def test_quantiles_are_measured_values() -> None:
    values = list(range(1, 101))
    assert [quantile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert quantile([3.0], 0.99) == 3.0
    assert quantile([1, 2, math.inf], 0.99) == math.inf
    assert math.isnan(quantile([], 0.5))


def test_ratios_pair_the_rounds() -> None:
    assert ratios([8, 30, 9], [10, 30, 10]) == Spread(0.8, 0.9, 1.0)
    with pytest.raises(ValueError):
        ratios([1], [1, 2])
    with pytest.raises(ValueError):
        Spread.of([])


def measured(name: str, throughput: float) -> Measured:
    found = Measured(name, [throughput] * 3)
    found.p50 = found.p95 = found.p99 = [0.002] * 3
    found.lateness_p99, found.refused, found.load_share = [0.0001] * 3, [0] * 3, [0.1] * 3
    found.others_share = [0.0] * 3
    found.cpu = {"server": [0.0002, 0.0003, 0.0004]}
    return found


def test_a_table_says_the_same_in_markdown_and_json() -> None:
    table = side_by_side_table("it", "It", [measured("theirs", 1000), measured("ours", 800)], 500.0)
    assert "| calls/s, closed loop | 1000 | 800 | 0.80 (0.80 – 0.80) |" in to_markdown([table])
    [found] = json.loads(to_json([table]))["benchmarks"]
    assert found["data"]["ratios"]["ours"]["throughput"]["median"] == 0.8
    assert found["data"]["subjects"]["ours"]["cpu_us"] == {"server": pytest.approx(300)}


def test_refused_calls_are_told_and_leave_the_json_readable() -> None:
    ours = measured("ours", 800)
    ours.refused, ours.refusal, ours.p99 = [0, 2, 0], "too many", [0.1, math.inf, 0.1]
    table = side_by_side_table("it", "It", [measured("theirs", 1000), ours], 500.0)
    assert any("refused 2 calls" in note and "too many" in note for note in table.notes)
    [found] = json.loads(to_json([table]), parse_constant=pytest.fail)["benchmarks"]
    assert found["data"]["subjects"]["ours"]["p99"] == [0.1, None, 0.1]


def test_a_missed_goal_shows() -> None:
    table = Table("it", "It", ["a"], [["1"]], goals=[("fast", False), ("small", True)])
    assert "**missed**: fast" in to_markdown([table])
    assert "met: small" in to_markdown([table])


@pytest.mark.parametrize(
    "arguments", [["--only", "nothing"], ["--duration", "0"], ["--rounds", "0"], ["--rounds", "x"]]
)
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
