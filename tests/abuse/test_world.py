"""The look at what was written sees what it must: else all that rests on it holds of anything."""

import pytest

from groundline.conversation.v1 import conversation_service_pb2 as talk

from .world import World


async def test_a_new_row_is_seen(world: World) -> None:
    async with world.live.mesh(None) as anyone:
        with pytest.raises(AssertionError, match=r"conversation\.sessions"):
            async with world.unchanged():
                await anyone.conversation.CreateSession(talk.CreateSessionRequest(channel="web"))


async def test_a_changed_row_is_seen(world: World) -> None:
    async with world.live.mesh(world.names["mine_token"]) as customer:
        request = talk.RateMessageRequest(session_id=world.names["mine"], message_id=world.names["answer"], rating=1)
        await customer.conversation.RateMessage(request)
        with pytest.raises(AssertionError, match=r"conversation\.ratings"):
            async with world.unchanged():
                await customer.conversation.RateMessage(request)


async def test_a_stored_file_is_seen(world: World) -> None:
    stray = world.live.stack.home.objects / "stray"
    try:
        with pytest.raises(AssertionError, match="files"):
            async with world.unchanged():
                stray.touch()
    finally:
        stray.unlink()
