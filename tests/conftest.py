"""What tests of several folders share: one running stack for the whole session."""

import os

# Before gRPC is loaded: its handlers around fork() now and then break a child between fork and exec, when other threads
# are inside gRPC. No test forks without exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from collections.abc import Iterator
from pathlib import Path

import pytest

from .stack import Live, logged, running_stack, whole_stack


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The whole mesh, started once. Whoever kills a part of it must see it healthy again before the test ends.

    GROUNDLINE_TEST_HOME names the home of a stack that runs already, for those who work on tests.
    """
    home = os.environ.get("GROUNDLINE_TEST_HOME")
    if home:
        yield running_stack(Path(home))
        return
    with whole_stack() as running:
        yield running
        # A loop that comes up again and again does its work never, and in the end takes its process along.
        assert not logged(running.stack, "background_crashed")
