"""Named places where a fault suite kills, delays or fails this process. Nothing is there unless GROUNDLINE_FAILPOINT is
set: each place is `if failpoints.ON: await failpoints.reach("…")`, and ON is decided once.

GROUNDLINE_FAILPOINT is a list of `name:kill`, `name:sleep:SECONDS` or `name:raise`, separated by commas, each with an
optional `:COUNT` of how often it acts in one process (by default always). Or it is `@FOLDER`: then a file
`FOLDER/armed/NAME~ANYTHING` that holds `kill`, `sleep:SECONDS` or `raise` acts once, in whichever process comes by
first, which moves it to `FOLDER/fired/` and adds its process id and the time. So a suite arms places of running
processes, and a restarted process is not killed again.
"""

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshkit.telemetry import get_logger

log = get_logger(__name__)

VARIABLE = "GROUNDLINE_FAILPOINT"
ARMED, FIRED, MARK = "armed", "fired", "~"
_SPEC: Final = os.environ.get(VARIABLE, "")
ON: Final = bool(_SPEC)
"""Whether anything can be armed in this process."""


class FailpointRaised(Exception):
    """What `raise` raises: nobody foresees it."""


@dataclass(slots=True)
class Action:
    """What happens at a place. `left` counts down; None is without end."""

    verb: str
    seconds: float = 0.0
    left: int | None = None


def parse(spec: str) -> dict[str, Action]:
    """The actions of a list by the names of their places. Raises ValueError for what is none."""
    actions: dict[str, Action] = {}
    for part in filter(None, map(str.strip, spec.split(","))):
        name, _, rest = part.partition(":")
        actions[name] = _action(rest, part)
    return actions


async def reach(name: str) -> None:
    """The process has come to the place `name`. Raises FailpointRaised if that is armed."""
    action = _from_folder(name) if _FOLDER is not None else _from_list(name)
    if action is None:
        return
    log.warning("failpoint_reached", failpoint=name, action=action.verb)
    match action.verb:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            await asyncio.sleep(action.seconds)
        case _:
            raise FailpointRaised(name)


def _action(text: str, whole: str) -> Action:
    verb, *numbers = text.strip().split(":")
    try:
        seconds = float(numbers.pop(0)) if verb == "sleep" else 0.0
        count = int(numbers.pop(0)) if numbers else None
    except (IndexError, ValueError):
        verb = ""
    if verb not in ("kill", "sleep", "raise") or numbers:
        raise ValueError(f"{whole!r} is not name:kill, name:sleep:SECONDS or name:raise, with an optional :COUNT")
    return Action(verb, seconds, count)


def _from_list(name: str) -> Action | None:
    action = _ACTIONS.get(name)
    if action is None or action.left == 0:
        return None
    if action.left is not None:
        action.left -= 1
    return action


def _from_folder(name: str) -> Action | None:
    assert _FOLDER is not None
    for armed in sorted((_FOLDER / ARMED).glob(f"{name}{MARK}*")):
        fired = _FOLDER / FIRED / armed.name
        try:
            armed.rename(fired)
        except FileNotFoundError:
            # Another process was first.
            continue
        text = fired.read_text()
        with fired.open("a") as record:
            record.write(f" {os.getpid()} {time.time():.3f}")
        return _action(text, f"{name}:{text}")
    return None


_FOLDER: Final = Path(_SPEC[1:]) if _SPEC.startswith("@") else None
_ACTIONS: Final = parse(_SPEC) if _FOLDER is None else {}
