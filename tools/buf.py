"""Runs the locked environment's buf on this repository's workspace."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 300


def buf(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Runs buf with the environment's own generators first on PATH; stdout is returned, what it says goes to stderr.

    Raises subprocess.CalledProcessError where buf refuses, unless `check` is off.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return subprocess.run(
        [Path(sys.executable).with_name("buf"), *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        check=check,
        timeout=TIMEOUT_S,
    )


def descriptor_set() -> bytes:
    """The workspace as a serialized FileDescriptorSet, imports and comments included."""
    return buf("build", "--as-file-descriptor-set", "--output", "-").stdout
