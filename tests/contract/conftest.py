"""The contracts, read once: built from the sources, with their comments."""

import pytest

from tools.buf import ROOT, descriptor_set
from tools.contract import Contract


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract.parse(descriptor_set())


@pytest.fixture(scope="session")
def declared() -> dict[str, int]:
    """How often the sources declare a thing, counted without the descriptors: what a walk must have covered."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "proto").rglob("*.proto"))
    lines = [line.strip() for line in text.splitlines()]
    kinds = ("rpc", "message", "enum", "service")
    return {kind: sum(line.startswith(f"{kind} ") for line in lines) for kind in kinds}
