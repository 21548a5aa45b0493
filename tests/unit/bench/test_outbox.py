import pytest

from bench import outbox
from bench.load import LoadError


@pytest.fixture
def said() -> list[str]:
    return []


def drained(rate: float) -> outbox.Drained:
    return outbox.Drained(rate, own_cpu_s=40e-6, server_cpu_s=30e-6)


def refuse(_: float) -> float:
    raise LoadError("the reason")


def test_a_piece_that_fails_takes_none_of_the_others_with_it(said: list[str]) -> None:
    found = outbox._Found()
    pieces = outbox._Pieces(found, said.append)
    assert pieces.run("one", refuse) is None
    assert pieces.run("two", lambda left_s: left_s) == pytest.approx(outbox.BUDGET_S, abs=5)
    assert found.missing == ["one: the reason"]
    assert [each.partition(" (")[0] for each in said] == ["one", "two"]


def test_no_piece_begins_after_the_time_is_up(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "BUDGET_S", 0.5)
    found = outbox._Found()
    assert outbox._Pieces(found, said.append).run("late", lambda _: 1.0) is None
    assert found.missing == ["late: no time was left"]


def test_the_table_compares_rounds_that_have_both_and_says_what_is_missing() -> None:
    rounds = [
        {"pgqueuer": drained(100.0), "embedded": drained(150.0), "bare": drained(300.0)},
        {"embedded": drained(50.0)},
        {"pgqueuer": drained(200.0), "embedded": drained(100.0)},
    ]
    backlog = {25_000: drained(90.0), 100_000: drained(60.0)}
    table = outbox._table(outbox._Found(rounds, backlog, {}, ["x: it did not end within 1 s"]))
    assert ["embedded road, commands/s", "100 (50 – 150)", "1.00 (0.50 – 1.50)", "40, 30"] in table.rows
    assert [
        "claim and mark alone, one connection, commands/s",
        "300 (300 – 300)",
        "3.00 (3.00 – 3.00)",
        "40, 30",
    ] in table.rows
    assert [met for _, met in table.goals] == [True, False]
    assert "Not measured: x: it did not end within 1 s" in table.notes
    assert any("amqp road was not measured" in each for each in table.notes)


def test_without_a_goal_s_figures_nothing_is_said_of_it() -> None:
    assert outbox._table(outbox._Found([{"embedded": drained(1.0)}], {25_000: drained(1.0)})).goals == []
