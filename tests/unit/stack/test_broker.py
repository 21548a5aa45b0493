from pathlib import Path

import pytest

from cli.stack import StackError, broker
from cli.stack.broker import Broker
from cli.stack.layout import Home, Ports


def test_the_embedded_road_needs_nothing(tmp_path: Path) -> None:
    embedded = Broker(Home(tmp_path), Ports(), "embedded", "amqp://elsewhere/")
    assert embedded.environment() == {"GROUNDLINE_ROAD": "embedded"}
    assert list(embedded.programs()) == []
    assert embedded.processes == ()


def test_a_broker_that_is_given_is_used_and_none_is_started(tmp_path: Path) -> None:
    given = Broker(Home(tmp_path), Ports(), "amqp", "amqp://elsewhere/")
    assert given.environment() == {"GROUNDLINE_ROAD": "amqp", "GROUNDLINE_AMQP_URL": "amqp://elsewhere/"}
    assert list(given.programs()) == []


def test_without_a_broker_to_be_had_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_programs", lambda: None)
    with pytest.raises(StackError, match=r"apt-get install rabbitmq-server.*GROUNDLINE_AMQP_URL") as refused:
        Broker(Home(tmp_path), Ports(), "amqp", None)
    assert "\n" not in str(refused.value)


def test_an_unknown_road_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="there is no road 'kafka'; there are embedded, amqp"):
        Broker(Home(tmp_path), Ports(), "kafka", None)
