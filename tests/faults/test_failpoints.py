"""What can be armed, and that nothing is there otherwise."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from meshkit import failpoints

REPOSITORY = Path(__file__).resolve().parents[2]
COME_BY = """
import asyncio
from meshkit import failpoints

async def main():
    for _ in range({times}):
        try:
            if failpoints.ON:
                await failpoints.reach("here")
            print("passed", flush=True)
        except failpoints.FailpointRaised:
            print("raised", flush=True)

asyncio.run(main())
"""


def come_by(spec: str | None, times: int = 1) -> tuple[int, list[str]]:
    """The exit code and the words of a process that comes by at `here`."""
    environment = {name: value for name, value in os.environ.items() if name != failpoints.VARIABLE}
    if spec is not None:
        environment[failpoints.VARIABLE] = spec
    done = subprocess.run(
        [sys.executable, "-c", COME_BY.format(times=times)],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Log lines go the same way.
    return done.returncode, [line for line in done.stdout.splitlines() if line in ("passed", "raised")]


def test_nothing_is_there_unless_asked_for() -> None:
    assert not failpoints.ON
    assert come_by(None, 2) == (0, ["passed", "passed"])
    assert come_by("there:kill") == (0, ["passed"])


def test_a_list_acts_as_often_as_it_says() -> None:
    assert come_by("there:kill,here:raise:2", 3) == (0, ["raised", "raised", "passed"])
    assert come_by("here:sleep:0:1", 2) == (0, ["passed", "passed"])
    assert come_by("here:kill") == (-signal.SIGKILL, [])


def test_a_folder_acts_once_for_all_processes(tmp_path: Path) -> None:
    for part in (failpoints.ARMED, failpoints.FIRED):
        (tmp_path / part).mkdir()
    for serial, action in enumerate(("kill", "raise")):
        (tmp_path / failpoints.ARMED / f"here{failpoints.MARK}{serial}").write_text(action)
    assert come_by(f"@{tmp_path}") == (-signal.SIGKILL, [])
    assert come_by(f"@{tmp_path}", 2) == (0, ["raised", "passed"])
    action, pid, at = (tmp_path / failpoints.FIRED / f"here{failpoints.MARK}0").read_text().split()
    assert action == "kill"
    assert int(pid) > 0
    assert float(at) > 0


@pytest.mark.parametrize("spec", ["here", "here:explode", "here:sleep", "here:sleep:soon", "here:kill:2:3"])
def test_what_can_not_be_armed_is_refused_at_the_start(spec: str) -> None:
    with pytest.raises(ValueError, match="is not name:kill"):
        failpoints.parse(spec)
    code, _ = come_by(spec)
    assert code == 1
