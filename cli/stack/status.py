"""What is said of one process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cli.stack.health import SERVING


@dataclass(frozen=True)
class ProcessStatus:
    """One line of `groundline status`. `health` is SERVING, NOT_SERVING, UNREACHABLE or STOPPED."""

    name: str
    state: str
    health: str
    pid: int | None
    uptime_s: float
    ports: tuple[int, ...]

    @property
    def is_healthy(self) -> bool:
        return self.health == SERVING

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)
