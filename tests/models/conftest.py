"""A scripted model server for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.models.scripted_server import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server
