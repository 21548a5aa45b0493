"""Writes everything that is generated from proto/: `python -m tools.generate OUT` (`make gen` writes to gen/).

Stale files in OUT are removed and unchanged ones keep their times.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.buf import buf

DESCRIPTOR_SET = "groundline.binpb"


def generate(out: Path) -> None:
    """Makes OUT hold exactly what the contracts give: stubs, types, OpenAPI and the descriptor set.

    The set holds the whole workspace, google.rpc's error details too: without them the edge can't turn an error with
    details into JSON. Raises subprocess.CalledProcessError where buf refuses the contracts.
    """
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch, "gen")
        buf("generate", "--output", scratch)
        buf("build", "--as-file-descriptor-set", "--exclude-source-info", "--output", str(fresh / DESCRIPTOR_SET))
        _replace(out, fresh)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path, compiled Python left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _replace(out: Path, fresh: Path) -> None:
    wanted, present = contents(fresh), contents(out)
    for name in present.keys() - wanted.keys():
        (out / name).unlink()
    for folder in sorted((path for path in out.rglob("*") if path.is_dir()), reverse=True):
        if all(path.name == "__pycache__" for path in folder.iterdir()):
            shutil.rmtree(folder)
    for name, content in wanted.items():
        if present.get(name) != content:
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


if __name__ == "__main__":
    try:
        generate(Path(sys.argv[1]).resolve())
    except subprocess.CalledProcessError as failed:
        # buf has said why.
        sys.exit(failed.returncode)
