import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from cli.stack.errors import StackError
from cli.stack.layout import Home
from cli.stack.processes import Program
from cli.stack.supervisor import Supervisor, render

SLEEPER = "import os, sys, time; print(os.environ['SAYS'], flush=True); time.sleep(60)"


@pytest.fixture
def supervisor(home: Home) -> Iterator[Supervisor]:
    script = home.path / "sleeper.py"
    script.write_text(SLEEPER)
    programs = [
        Program("sleeper", [sys.executable, str(script)], {"SAYS": "100% of 'it', = and more"}),
        Program("dies", [sys.executable, "-c", "raise(SystemExit)"], {}),
    ]
    home.supervisor_config.write_text(render(programs, home))
    supervisor = Supervisor(home)
    supervisor.start()
    yield supervisor
    supervisor.shutdown()
    assert not supervisor.is_running


def _until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come to pass"
        time.sleep(0.02)


def test_starts_nothing_by_itself(supervisor: Supervisor) -> None:
    assert {state.state for state in supervisor.states().values()} == {"STOPPED"}


def test_a_killed_process_comes_back_and_a_stopped_one_does_not(supervisor: Supervisor) -> None:
    supervisor.launch(["sleeper"])
    _until(lambda: supervisor.states()["sleeper"].state == "RUNNING")
    first = supervisor.states()["sleeper"].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    _until(lambda: supervisor.states()["sleeper"].pid not in (None, first))
    # A signal that comes between fork and exec is lost, and then only the timeout ends it.
    _until(lambda: supervisor.states()["sleeper"].state == "RUNNING")
    supervisor.stop(["sleeper"], timeout_s=10)
    assert not supervisor.states()["sleeper"].is_up


def test_the_environment_arrives_as_it_was_given(supervisor: Supervisor, home: Home) -> None:
    supervisor.launch(["sleeper"])
    log = home.logs / "sleeper.log"
    _until(lambda: log.exists() and log.read_text() == "100% of 'it', = and more\n")


def test_one_that_dies_at_once_is_tried_again(supervisor: Supervisor) -> None:
    supervisor.launch(["dies"])
    _until(lambda: supervisor.states()["dies"].state == "BACKOFF")
    assert supervisor.states()["dies"].is_up


def test_a_changed_program_is_stopped_for_its_new_start(supervisor: Supervisor, home: Home) -> None:
    supervisor.launch(["sleeper"])
    _until(lambda: supervisor.states()["sleeper"].pid is not None)
    program = Program("sleeper", [sys.executable, str(home.path / "sleeper.py")], {"SAYS": "changed"})
    home.supervisor_config.write_text(render([program], home))
    assert sorted(supervisor.reload()) == ["dies", "sleeper"]
    assert supervisor.states()["sleeper"].state == "STOPPED"


def test_without_one_nothing_is_known_and_nothing_raises(home: Home) -> None:
    supervisor = Supervisor(home)
    assert not supervisor.is_running
    assert supervisor.states() == {}
    assert supervisor.pid is None


def test_a_value_that_the_file_can_t_hold_is_refused(home: Home) -> None:
    with pytest.raises(StackError, match="quotes"):
        render([Program("sleeper", ["true"], {"A": 'with "quotes"'})], home)
