"""What tests of several folders share: one running stack for the whole session."""

from collections.abc import Iterator

import pytest

from .stack import Live, whole_stack


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The whole mesh, started once. Whoever kills a part of it must see it healthy again before the test ends."""
    with whole_stack() as running:
        yield running
