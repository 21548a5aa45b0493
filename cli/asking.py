"""A question and what becomes of it: an answer, or a person who takes over."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import grpc

from cli.errors import CommandError
from cli.mesh import Mesh
from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.conversation.v1 import conversation_service_pb2 as service_pb

# The ticket's id follows an escalation by way of the outbox.
TICKET_WAIT_S = 10.0
RECONNECT_S = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a question ended. `reply` is None where a person answers without the desk having said anything new."""

    session: pb.Session
    message_id: str
    reply: pb.Message | None
    answered: bool


async def open_session(mesh: Mesh, *, channel: str, knowledge_base: str | None) -> tuple[pb.Session, str]:
    """A new conversation and its customer's token."""
    request = service_pb.CreateSessionRequest(channel=channel, knowledge_base=knowledge_base or None)
    answer: service_pb.CreateSessionResponse = await mesh.conversation.CreateSession(request)
    return answer.session, answer.session_token


async def ask(
    mesh: Mesh, session_id: str, question: str, *, timeout_s: float, progress: Callable[[str], None]
) -> Outcome:
    """Posts the question and follows the conversation until it ends in an answer or with a person.

    `mesh` speaks as the session's customer. `progress` gets the name of each stage. Raises CommandError after
    `timeout_s` seconds: the question stands all the same.
    """
    posted = await mesh.conversation.PostMessage(service_pb.PostMessageRequest(session_id=session_id, content=question))
    following = _Following(mesh, session_id, posted.message_id, posted.sequence, progress)
    try:
        async with asyncio.timeout(timeout_s):
            return await following.outcome()
    except TimeoutError:
        raise CommandError(
            f"no outcome within {timeout_s:g} s; the question is kept: `groundline session show {session_id}`"
        ) from None


class _Following:
    """Reads updates until they amount to an outcome."""

    def __init__(
        self, mesh: Mesh, session_id: str, message_id: str, sequence: int, progress: Callable[[str], None]
    ) -> None:
        self._mesh = mesh
        self._session_id = session_id
        self._message_id = message_id
        self._after = str(sequence)
        self._progress = progress
        self._session = pb.Session()
        self._reply: pb.Message | None = None
        self._escalated_at: float | None = None

    async def outcome(self) -> Outcome:
        while True:
            try:
                found = await self._read()
                if found is not None:
                    return await self._with_session(found)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            # The stream had its time or the edge went away for a moment: go on where it ended.
            await asyncio.sleep(RECONNECT_S)

    async def _with_session(self, found: Outcome) -> Outcome:
        """The outcome with the session as it is now: an answer may have come before any word of its session."""
        read = await self._mesh.conversation.GetSession(service_pb.GetSessionRequest(session_id=self._session_id))
        return replace(found, session=read.session)

    async def _read(self) -> Outcome | None:
        request = service_pb.WatchSessionRequest(session_id=self._session_id, after_event_id=self._after)
        stream = self._mesh.conversation.WatchSession(request)
        try:
            while True:
                wait_s = TICKET_WAIT_S if self._escalated_at is not None else None
                try:
                    answer = await asyncio.wait_for(stream.read(), wait_s)
                except TimeoutError:
                    return self._outcome(answered=False)
                if answer is grpc.aio.EOF:
                    return None
                found = await self._take(answer.update)
                if found is not None:
                    return found
        finally:
            stream.cancel()

    async def _take(self, update: pb.SessionUpdate) -> Outcome | None:
        self._after = update.event_id or self._after
        match update.WhichOneof("update"):
            case "progress":
                self._progress(pb.TurnStage.Name(update.progress.stage).removeprefix("TURN_STAGE_").lower())
            case "message":
                return await self._take_message(update.message)
            case "session":
                self._session = update.session
        return self._handed_over()

    async def _take_message(self, message: pb.Message) -> Outcome | None:
        if message.role == pb.MESSAGE_ROLE_CUSTOMER:
            return None
        self._reply = message
        if message.role == pb.MESSAGE_ROLE_ASSISTANT and message.in_reply_to == self._message_id:
            return self._outcome(answered=True)
        if message.role == pb.MESSAGE_ROLE_SYSTEM:
            # A notice: with an escalation a person answers, without one (a thank-you) it is all there is to say.
            self._session = (
                await self._mesh.conversation.GetSession(service_pb.GetSessionRequest(session_id=self._session_id))
            ).session
            if self._session.status == pb.SESSION_STATUS_OPEN and message.in_reply_to == self._message_id:
                return self._outcome(answered=True)
        return self._handed_over()

    def _handed_over(self) -> Outcome | None:
        if self._session.status != pb.SESSION_STATUS_ESCALATED:
            return None
        if self._escalated_at is None:
            self._escalated_at = time.monotonic()
        late = time.monotonic() - self._escalated_at > TICKET_WAIT_S
        return self._outcome(answered=False) if self._session.ticket_id or late else None

    def _outcome(self, *, answered: bool) -> Outcome:
        return Outcome(self._session, self._message_id, self._reply, answered)


def marked(reply: pb.Message) -> tuple[str, list[pb.MessageCitation]]:
    """The answer with `[1]`, `[2]`, … after the parts that each citation backs, and the citations in that order."""
    citations = sorted(reply.citations, key=lambda each: (each.content_end, each.content_start))
    numbered: list[pb.MessageCitation] = []
    # By where a part ends: where it begins, and the numbers of what backs it.
    marks: dict[int, tuple[int, set[int]]] = {}
    for each in citations:
        same = next(
            (n for n, one in enumerate(numbered) if (one.chunk_id, one.quote) == (each.chunk_id, each.quote)), None
        )
        if same is None:
            same = len(numbered)
            numbered.append(each)
        end = min(each.content_end or len(reply.content), len(reply.content))
        marks.setdefault(end, (each.content_start, set()))[1].add(same + 1)
    text = reply.content
    for end, (start, numbers) in sorted(marks.items(), reverse=True):
        # What ends in a command is copied from there: the mark stands below it, not behind it.
        between = "\n" if _ends_in_code(reply.content[start:end]) else " "
        text = f"{text[:end]}{between}{' '.join(f'[{each}]' for each in sorted(numbers))}{text[end:]}"
    return text, numbered


def _ends_in_code(claim: str) -> bool:
    """Whether the last of several lines is no numbered step and no item: so it is what an example says to type."""
    lines = claim.splitlines()
    return len(lines) > 1 and re.match(r"\d+\. |- ", lines[-1]) is None
