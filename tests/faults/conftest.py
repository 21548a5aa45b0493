"""The suite's own mesh, with its wounds: started once for this folder."""

from collections.abc import Iterator

import pytest

from .stage import Stage, open_stage


@pytest.fixture(scope="package")
def stage() -> Iterator[Stage]:
    with open_stage() as stage:
        yield stage
