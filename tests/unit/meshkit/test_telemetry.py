import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import CollectorRegistry

from meshkit import call, telemetry


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    telemetry.configure_logging("tested", "info", stream=stream)
    yield stream
    root.handlers[:], _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


def test_a_line_is_json_with_the_ids_of_what_is_being_done(logs: io.StringIO) -> None:
    trace = telemetry.new_traceparent()
    token = call.enter(call.Activity(request_id="r-1", traceparent=trace))
    telemetry.get_logger("room").info("ticket_closed", ticket_id="t")
    call.leave(token)
    telemetry.get_logger("room").debug("unseen")
    (line,) = logs.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["ticket_id"], event["level"], event["service"]) == (
        "ticket_closed",
        "t",
        "info",
        "tested",
    )
    assert (event["request_id"], event["trace_id"]) == ("r-1", trace.split("-")[1])


def test_an_exception_is_one_line_without_local_values(logs: io.StringIO) -> None:
    def fails() -> None:
        password = "hunter2".upper()
        raise ValueError(len(password))

    try:
        fails()
    except ValueError as exc:
        telemetry.get_logger("room").error("unforeseen_error", exc_info=exc)
    (line,) = logs.getvalue().splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"
    assert "HUNTER2" not in line


def test_what_a_database_quotes_of_a_row_is_not_logged(logs: io.StringIO) -> None:
    told = 'null value in column "role"\nDETAIL:  Failing row contains (1, what a customer wrote).'
    try:
        try:
            raise RuntimeError(told)
        except RuntimeError as quoting:
            raise ValueError("could not be written") from quoting
    except ValueError as exc:
        telemetry.get_logger("room").error("unforeseen_error", exc_info=exc)
    (line,) = logs.getvalue().splitlines()
    stacks = json.loads(line)["exception"]
    assert [each["exc_value"] for each in stacks] == ["could not be written", 'null value in column "role"']
    assert "what a customer wrote" not in line


def test_libraries_log_in_the_same_form(logs: io.StringIO) -> None:
    logging.getLogger("library").warning("said %s", "this")
    event = json.loads(logs.getvalue())
    assert (event["event"], event["service"], event["logger"]) == ("said this", "tested", "library")


def test_labels_come_from_closed_sets() -> None:
    registry = CollectorRegistry()
    telemetry.counter("good_total", "x", ["method", "code"], registry=registry)
    with pytest.raises(ValueError, match="session_id"):
        telemetry.counter("bad_total", "x", ["method", "session_id"], registry=registry)


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        pytest.param(telemetry.new_traceparent(), True, id="one of ours"),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (f"01-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{'g' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 31}-{'b' * 17}-01", False),
        (f"00-{'a' * 30}_1-{'b' * 16}-01", False),
        (b"00-", False),
        (None, False),
        ("", False),
    ],
)
def test_only_a_wellformed_traceparent_is_continued(value: object, usable: bool) -> None:
    assert telemetry.usable_traceparent(value) is usable


def test_the_short_way_writes_the_same_line(logs: io.StringIO) -> None:
    token = call.enter(call.Activity(request_id="r-1"))
    telemetry.get_logger("room").info("rpc", method="m")
    call.leave(token)
    telemetry.log_call(logging.INFO, "rpc", {"method": "m", "request_id": "r-1", "trace_id": ""})
    telemetry.log_call(logging.DEBUG, "rpc", {})
    long, short = (json.loads(line) for line in logs.getvalue().splitlines())
    assert set(long) - set(short) == {"component"}
    assert short["at"][10:11] == long["at"][10:11] == "T"
    assert {name: value for name, value in short.items() if name != "at"} == {
        name: value for name, value in long.items() if name not in ("at", "component")
    }
