"""The contracts, read once: built from the sources, with their comments."""

import subprocess
from pathlib import Path

import pytest

from tools.contract import Contract

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def contract() -> Contract:
    built = subprocess.run(
        ["buf", "build", "--as-file-descriptor-set", "--output", "-"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    return Contract.parse(built.stdout)


@pytest.fixture(scope="session")
def declared() -> dict[str, int]:
    """How often the sources declare a thing, counted without the descriptors: what a walk must have covered."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "proto").rglob("*.proto"))
    lines = [line.strip() for line in text.splitlines()]
    kinds = ("rpc", "message", "enum", "service")
    return {kind: sum(line.startswith(f"{kind} ") for line in lines) for kind in kinds}
