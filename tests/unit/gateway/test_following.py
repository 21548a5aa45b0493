"""Who follows which session: a bounded number, and none at the cost of the others."""

from contextlib import ExitStack
from typing import Any

import pytest

from meshkit.errors import Overloaded
from meshkit.ids import new_id
from svc_gateway.following import MAX_PER_SESSION, Following


@pytest.fixture
def following() -> Following:
    database: Any = None  # Registering reads nothing.
    return Following(database, max_streams=MAX_PER_SESSION + 2)


def test_one_session_does_not_use_up_the_streams_of_others(following: Following) -> None:
    mine, theirs = new_id(), new_id()
    with ExitStack() as stack:
        for _ in range(MAX_PER_SESSION):
            stack.enter_context(following.follow(mine))
        with pytest.raises(Overloaded), following.follow(mine):
            pass
        stack.enter_context(following.follow(theirs))
    # Those that ended are not counted.
    with following.follow(mine):
        pass


def test_all_sessions_together_are_bounded(following: Following) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_PER_SESSION + 2):
            stack.enter_context(following.follow(new_id()))
        with pytest.raises(Overloaded), following.follow(new_id()):
            pass
