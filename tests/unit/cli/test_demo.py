"""The demo's reading of Server-Sent Events, and of what an earlier run left."""

from collections.abc import AsyncIterator

import pytest

from cli.demo.rest import DemoFailed
from cli.demo.story import REPLY, UNANSWERABLE, is_ours
from cli.demo.stream import Conversation, Event, events


async def lines(text: str) -> AsyncIterator[str]:
    for line in text.split("\n"):
        yield line


async def test_frames_are_read_by_the_rules() -> None:
    text = (
        "retry: 2000\n\n: alive\n\nid: 7\nevent: message\ndata: {}\n\n"
        "data: a\ndata:b\n\nevent: lost\n\nid: 9\ndata: c\n\ndata: unfinished"
    )
    assert [each async for each in events(lines(text))] == [
        Event("message", "{}", "7"),
        Event("message", "a\nb", "7"),
        Event("message", "c", "9"),
    ]


async def test_a_wait_that_ends_says_what_was_seen() -> None:
    session = {"session_id": "s", "status": "SESSION_STATUS_OPEN"}
    conversation = Conversation(session, "token", lambda _: None)
    conversation.messages["m"] = {"role": "MESSAGE_ROLE_CUSTOMER"}
    with pytest.raises(DemoFailed, match=r"the answer did not come within 0.01 s \(session s is open; .*customer"):
        await conversation.until(lambda _: None, "the answer", 0.01)


def test_an_earlier_runs_case_is_known_again() -> None:
    assert is_ours({"question": "other", "resolution": f"As said: {REPLY}"})
    assert is_ours({"question": UNANSWERABLE, "resolution": "edited"})
    assert not is_ours({"question": "Can I paint the Node?", "resolution": "Yes."})
