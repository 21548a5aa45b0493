"""The policies at hand while the process runs: read again when their files change."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from meshkit.telemetry import get_logger
from svc_evaluator.policy_files import Policies

log = get_logger(__name__)

LOOK_EVERY_S = 2.0

_Seen = tuple[tuple[Path, int, int], ...]


class PolicyShelf:
    """Holds the policies of the folders. Raises ValueError where they can't be used at the start.

    Later, files that can't be used change nothing: what was in force stays so, and the log says why.
    """

    def __init__(self, folders: Sequence[Path], *, in_force: str) -> None:
        self._folders, self._in_force = folders, in_force
        self._seen = self._look()
        self._policies = Policies.from_folders(*folders, in_force=in_force)

    @property
    def policies(self) -> Policies:
        """Those at hand now."""
        return self._policies

    async def watch(self) -> None:
        """Looks for changes until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.refresh()

    def refresh(self) -> None:
        """Reads the files again if one changed."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            policies = Policies.from_folders(*self._folders, in_force=self._in_force)
        except (ValueError, OSError) as exc:
            log.error("policies_not_taken", error=str(exc))
            return
        rewritten = policies.rewritten_since(self._policies)
        if rewritten:
            # Verdicts name the version that they were judged by, and must come out the same again.
            log.error("policies_not_taken", error="versions with other rules than before", versions=rewritten)
            return
        self._policies = policies
        log.info("policies_taken", versions=policies.versions)

    def _look(self) -> _Seen:
        found = []
        for file in sorted(file for folder in self._folders for file in folder.glob("*.json")):
            try:
                stat = file.stat()
            except FileNotFoundError:
                # Gone between the listing and the look.
                continue
            found.append((file, stat.st_mtime_ns, stat.st_size))
        return tuple(found)
