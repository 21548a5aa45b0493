"""Folders of the home that belong to a backup: copied beside the database, shared between backups where equal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def copy_folder(source: Path, target: Path, *, earlier: Path | None = None) -> int:
    """Copies what is in `source`; returns how many files that were.

    A file that `earlier`, a copy made before, holds with the same size and time is linked to that one instead: files
    of the object store and of backups are replaced, never written into. Drafts (names with a dot in front) are left.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = 0
    for path in _files(source):
        place = target / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        twin = earlier / path if earlier is not None else None
        if twin is not None and _alike(source / path, twin):
            os.link(twin, place)
        else:
            try:
                shutil.copy2(source / path, place)
            except FileNotFoundError:
                # Deleted since we saw it: nothing refers to it.
                continue
        count += 1
    return count


def add_missing(source: Path, target: Path) -> int:
    """Copies what `target` lacks, and replaces nothing; returns how many files that were."""
    count = 0
    for path in _files(source):
        place = target / path
        if place.exists():
            continue
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.part")
        shutil.copy2(source / path, draft)
        draft.rename(place)
        count += 1
    return count


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("."):
                yield (Path(where) / name).relative_to(folder)


def _alike(one: Path, other: Path) -> bool:
    try:
        first, second = one.stat(), other.stat()
    except FileNotFoundError:
        return False
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


def size_bytes(folder: Path) -> int:
    """What the files in `folder` take, those that other backups share among them."""
    total = 0
    for where, _, names in os.walk(folder):
        total += sum((Path(where) / name).lstat().st_size for name in names)
    return total
