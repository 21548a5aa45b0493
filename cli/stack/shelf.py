"""Where backups are kept, what there is, and what is thrown away.

    <root>/<system identifier>/wal/                 finished WAL, compressed
    <root>/<system identifier>/base/<id>/           one backup: pgdata/ objects/ keys/ policies/ backup.json

A cluster has a system identifier of its own, so that the WAL of two never mixes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cli.stack.errors import StackError
from cli.stack.layout import Home
from db.placement import data_place
from db.postgres import PostgresServer
from db.wal_archive import WalArchive

_FACTS = "backup.json"


def shelves_root(home: Home, server: PostgresServer) -> Path:
    """The folder of all backups, or one that stands in for it where the server's account can't reach it."""
    return data_place(home.backups, server.account)


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. Times are the database's; it can be restored to any moment from `ended_at` on."""

    id: str
    folder: Path
    started_at: datetime
    ended_at: datetime
    first_wal: str
    migrations: int
    rows: int
    objects: int
    bytes: int
    rehearsed: bool

    @property
    def data(self) -> Path:
        return self.folder / "pgdata"

    @property
    def objects_folder(self) -> Path:
        return self.folder / "objects"

    def as_json(self) -> dict[str, Any]:
        """For `--json` and for the file beside it."""
        return {
            **asdict(self),
            "folder": str(self.folder),
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
        }

    def write(self) -> None:
        """Writes the file that makes the folder a backup."""
        facts = self.as_json()
        del facts["folder"]
        (self.folder / _FACTS).write_text(json.dumps(facts, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Backup:
        """Raises StackError if the folder is none."""
        try:
            facts = json.loads((folder / _FACTS).read_text())
            for name in ("started_at", "ended_at"):
                facts[name] = datetime.fromisoformat(facts[name])
            return cls(folder=folder, **facts)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StackError(f"{folder} is no backup: {error}") from error


class Shelf:
    """The backups of one cluster."""

    def __init__(self, root: Path, system_identifier: int) -> None:
        self.folder = root / str(system_identifier)
        self.archive = WalArchive(self.folder / "wal")

    @classmethod
    def only_one(cls, root: Path) -> Shelf:
        """The shelf where there is one alone, for a home whose database is lost. Raises StackError."""
        found = [each.name for each in root.iterdir() if each.name.isdigit()] if root.is_dir() else []
        if not found:
            raise StackError(f"there is no backup in {root}: name the folder with GROUNDLINE_BACKUPS")
        if len(found) > 1:
            raise StackError(
                f"{root} holds backups of {len(found)} databases: name one with --system ({', '.join(found)})"
            )
        return cls(root, int(found[0]))

    @cached_property
    def bases(self) -> Path:
        """The folder of the base backups."""
        return self.folder / "base"

    def make_folders(self) -> None:
        """Makes what the server's account must pass through; what is private is below."""
        for folder in (self.folder.parent, self.folder, self.bases):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)

    def backups(self) -> list[Backup]:
        """All whole ones, the oldest first."""
        if not self.bases.is_dir():
            return []
        return [Backup.read(each) for each in sorted(self.bases.iterdir()) if (each / _FACTS).exists()]

    def newest_before(self, at: datetime | None) -> Backup:
        """The backup from which the moment `at` (None: the latest) is reached soonest. Raises StackError."""
        backups = self.backups()
        if not backups:
            raise StackError(f"there is no backup in {self.bases}")
        fitting = [each for each in backups if at is None or each.ended_at <= at]
        if not fitting:
            raise StackError(
                f"the oldest backup is of {_said(backups[0].ended_at)}: nothing before that can be restored"
            )
        return fitting[-1]

    def prune(self, server: PostgresServer, keep: int) -> list[str]:
        """Deletes all but the newest `keep` backups, and the WAL that none of these needs; returns the deleted ids."""
        backups = self.backups()
        gone = backups[:-keep]
        for each in gone:
            # No longer a backup from the first moment on, whatever happens on the way.
            (each.folder / _FACTS).unlink()
            shutil.rmtree(each.folder)
        for left in self.bases.glob("*.part"):
            shutil.rmtree(left)
        if gone:
            self.archive.prune(server, backups[len(gone)].first_wal)
        return [each.id for each in gone]


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(sep=" ", timespec="seconds")
