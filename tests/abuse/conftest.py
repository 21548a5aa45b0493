"""The world that is abused: made once, and never changed by what is refused."""

import pytest

from ..stack import Live
from .world import World, make_world


@pytest.fixture(scope="session")
def world(live: Live) -> World:
    return make_world(live)
