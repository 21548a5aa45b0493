import json
import subprocess
import sys
from pathlib import Path

from cli.stack.layout import REPOSITORY


def _groundline(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments, "--home", str(home)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


def test_status_of_nothing_is_not_healthy(folder: Path) -> None:
    done = _groundline(folder / "home", "status", "--json")
    assert done.returncode == 3
    said = json.loads(done.stdout)
    assert said["healthy"] is False
    assert {process["health"] for process in said["processes"]} == {"STOPPED"}
    assert not (folder / "home").exists(), "looking changes nothing"


def test_down_of_nothing_is_fine(folder: Path) -> None:
    done = _groundline(folder / "home", "down")
    assert (done.returncode, done.stderr) == (0, "· it was not running\n")


def test_an_unknown_process_is_one_line_and_exit_code_2(folder: Path) -> None:
    done = _groundline(folder / "home", "logs", "gatway")
    assert done.returncode == 2
    assert done.stderr.startswith("groundline: there is no process 'gatway'")
    assert len(done.stderr.splitlines()) == 1


def test_a_home_that_can_t_be_made_is_one_line(folder: Path) -> None:
    (folder / "file").touch()
    done = _groundline(folder / "file" / "home", "up", "--edge-port", "0")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "can't be" in done.stderr
