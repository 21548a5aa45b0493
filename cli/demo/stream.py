"""A conversation as a browser follows it: Server-Sent Events, resumed after the last one seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx

from cli.demo.rest import DemoFailed, Json, Rest, bearer

T = TypeVar("T")

RECONNECT_S = 0.3
# Above the stream's heartbeat of 15 s: silence for longer is a lost connection.
SILENCE_S = 40.0


@dataclass(frozen=True, slots=True)
class Event:
    """One Server-Sent Event; `data` is its text."""

    name: str
    data: str
    event_id: str


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Reads frames by the rules of WHATWG HTML, 9.2.6; comments and `retry` are passed over."""
    name, data, event_id = "", list[str](), ""
    async for line in lines:
        if not line:
            if data:
                yield Event(name or "message", "\n".join(data), event_id)
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            event_id = value


class Conversation:
    """What its customer sees of one conversation, as it comes."""

    def __init__(self, session: Json, token: str, say_stage: Callable[[str], None]) -> None:
        self.session = session
        self.session_id: str = session["session_id"]
        self.token = token
        self.messages: dict[str, Json] = {}
        self._last_event_id = ""
        self._changed = asyncio.Condition()
        self._say_stage = say_stage
        self._error: str | None = None

    async def until(self, wanted: Callable[[Conversation], T | None], what: str, timeout_s: float) -> T:
        """Waits until `wanted` finds something. Raises DemoFailed, naming `what`, after `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while True:
                    if self._error is not None:
                        raise DemoFailed(f"the stream ended while waiting for {what}: {self._error}")
                    found = wanted(self)
                    if found is not None:
                        return found
                    await self._changed.wait()
        except TimeoutError:
            seen = ", ".join(each["role"].removeprefix("MESSAGE_ROLE_").lower() for each in self.messages.values())
            raise DemoFailed(
                f"{what} did not come within {timeout_s:g} s (session {self.session_id} is "
                f"{self.session['status'].removeprefix('SESSION_STATUS_').lower()}; messages: {seen or 'none'})"
            ) from None

    async def follow(self, rest: Rest) -> None:
        """Reads the stream until cancelled, and connects again where it ended."""
        path = f"/v1/sessions/{self.session_id}/stream"
        timeout = httpx.Timeout(SILENCE_S, connect=5.0)
        while True:
            headers = bearer(self.token) | {"accept": "text/event-stream"}
            if self._last_event_id:
                headers["last-event-id"] = self._last_event_id
            try:
                async with rest.client.stream("GET", path, headers=headers, timeout=timeout) as response:
                    if response.is_error:
                        await self._fail(f"it was refused with {response.status_code}")
                        return
                    async for event in events(response.aiter_lines()):
                        await self._take(event)
            except httpx.HTTPError:
                pass
            await asyncio.sleep(RECONNECT_S)

    async def _take(self, event: Event) -> None:
        content = json.loads(event.data)
        async with self._changed:
            self._last_event_id = event.event_id or self._last_event_id
            if event.name == "message":
                self.messages[content["message_id"]] = content
            elif event.name == "session":
                self.session = content
            elif event.name == "progress":
                self._say_stage(content["stage"].removeprefix("TURN_STAGE_").lower())
            elif event.name == "error":
                self._error = content.get("message", "an error without words")
            self._changed.notify_all()

    async def _fail(self, error: str) -> None:
        async with self._changed:
            self._error = error
            self._changed.notify_all()


@asynccontextmanager
async def open_conversation(
    rest: Rest, *, knowledge_base: str | None, say_stage: Callable[[str], None]
) -> AsyncIterator[Conversation]:
    """A new customer's conversation, followed until the end of the block."""
    body: Json = {"channel": "web"}
    if knowledge_base:
        body["knowledge_base"] = knowledge_base
    opened = await rest.post("/v1/sessions", None, body)
    conversation = Conversation(opened["session"], opened["session_token"], say_stage)
    following = asyncio.create_task(conversation.follow(rest))
    try:
        yield conversation
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
