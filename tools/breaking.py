"""Refuses contracts that old clients could not read: buf's WIRE_JSON rules, against what main has.

The base is the tip of main (or origin/main); where the checkout is that tip itself, its first parent, so that the step
is never a comparison of a thing with itself. GROUNDLINE_CONTRACT_BASE names another base.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO

from tools.buf import ROOT, buf

CONTRACTS = ("buf.yaml", "proto", "third_party")
TIMEOUT_S = 60


def base_commit() -> tuple[str, str] | None:
    """The commit to compare with and what it is called; None where the repository has none."""
    named = os.environ.get("GROUNDLINE_CONTRACT_BASE")
    for name in (named,) if named else ("main", "origin/main"):
        commit = _resolve(name)
        if commit is None:
            continue
        unchanged = commit == _resolve("HEAD") and not _git("status", "--porcelain", "--", *CONTRACTS).strip()
        if not unchanged:
            return commit, name
        parent = _resolve(f"{commit}^1")
        return (parent, f"the commit before {name}") if parent else None
    return None


def main() -> int:
    """Runs the comparison; the exit code of buf, 0 where there is nothing to compare with."""
    base = base_commit()
    if base is None:
        return _skipped("this repository has no main to compare with")
    commit, name = base
    if not _git("ls-tree", "-r", "--name-only", commit, "--", "proto").strip():
        return _skipped(f"{name} has no proto/ yet")
    present = [path for path in CONTRACTS if _git("ls-tree", commit, "--", path).strip()]
    if "buf.yaml" not in present:
        return _skipped(f"{name} has no buf.yaml yet")
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit, *present],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=TIMEOUT_S,
    )
    with tempfile.TemporaryDirectory() as before:
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            tar.extractall(before, filter="data")
        found = buf("breaking", "--against", before, check=False)
    sys.stdout.buffer.write(found.stdout)
    if found.returncode == 0:
        print(f"contracts: nothing breaks against {name} ({commit[:12]})")
    return found.returncode


def _skipped(why: str) -> int:
    print(f"SKIPPED buf breaking: {why}", file=sys.stderr)
    return 0


def _resolve(name: str) -> str | None:
    found = subprocess.run(
        ["git", "rev-parse", "--quiet", "--verify", f"{name}^{{commit}}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    return found.stdout.strip() or None


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_S
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
