"""The six steps, each of which either holds or ends the demo with what was seen instead."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from cli.demo.rest import DemoFailed, Json, Rest
from cli.demo.stream import Conversation, open_conversation

T = TypeVar("T")

ANSWERABLE = "My Lumen 3 was in storage for 8 months and now the console says E-4012"
ANSWER_IS_IN = "errors/e-4012-lumen-3.md"
UNANSWERABLE = "Can I mount the Lumen 3 Node outdoors under the roof of my terrace?"
REPLY = (
    "The Lumen 3 Node is made for indoor use only and is not sealed against moisture, so please don't mount it "
    "outdoors, not even under a roof. For a terrace, place the Node indoors next to the window or door that faces it; "
    "that usually covers 8 to 10 metres outside."
)
SIMILAR = "Is it ok to mount a Lumen 3 Node outdoors, under the terrace roof?"

STEPS = 6


class Narrator(Protocol):
    """Tells the story as it goes."""

    def step(self, number: int, title: str) -> None:
        """A step begins."""

    def line(self, who: str, text: str) -> None:
        """Somebody says or does something."""

    def stage(self, name: str) -> None:
        """The desk reports what it is doing."""


@dataclass(slots=True)
class Story:
    """What happened, for those who want to look closer."""

    answer: Json = field(default_factory=dict)
    """The cited answer of step 1."""
    ticket: Json = field(default_factory=dict)
    """The ticket of step 2, as it was after step 4."""
    reply: Json = field(default_factory=dict)
    """The agent's words in the customer's conversation."""
    case: Json = field(default_factory=dict)
    """What was learned, approved."""
    learned: Json = field(default_factory=dict)
    """The answer of step 6."""
    seconds: float = 0.0


async def play(
    rest: Rest, agent_token: str, *, narrator: Narrator, knowledge_base: str | None = None, timeout_s: float = 60.0
) -> Story:
    """Plays all six steps; each wait is at most `timeout_s` seconds. Raises DemoFailed where a step does not hold."""
    return await _Demo(rest, agent_token, narrator, knowledge_base, timeout_s).play()


class _Demo:
    def __init__(
        self, rest: Rest, agent_token: str, narrator: Narrator, knowledge_base: str | None, timeout_s: float
    ) -> None:
        self._rest = rest
        self._agent = agent_token
        self._narrator = narrator
        self._knowledge_base = knowledge_base
        self._timeout_s = timeout_s
        self._story = Story()
        self._number = 0

    def _step(self, title: str) -> None:
        self._number += 1
        self._narrator.step(self._number, title)

    async def play(self) -> Story:
        started = time.monotonic()
        try:
            await self._forget_earlier_runs()
            await self._answered_from_documents()
            async with self._customer() as conversation:
                await self._handed_over(conversation)
                await self._agent_replies(conversation)
                await self._agent_resolves(conversation)
            await self._case_approved()
            await self._answered_from_the_case()
        except DemoFailed as failed:
            raise DemoFailed(f"step {self._number} of {STEPS} did not hold: {failed}") from failed
        self._story.seconds = time.monotonic() - started
        return self._story

    async def _forget_earlier_runs(self) -> None:
        """An earlier run's case would answer what must not be answered yet."""
        token = ""
        rejected = []
        while True:
            page = await self._rest.get("/v1/cases", self._agent, page_size=200, page_token=token)
            for case in page.get("cases", ()):
                if is_ours(case) and case["state"] != "CASE_STATE_REJECTED":
                    await self._rest.post(f"/v1/cases/{case['case_id']}:reject", self._agent, {})
                    rejected.append(case)
            token = page.get("next_page_token", "")
            if not token:
                break
        for case in rejected:
            if case.get("doc_id"):
                await self._poll(partial(self._gone, case), "the removal of an earlier run's case")
        if rejected:
            self._narrator.line("", f"rejected {len(rejected)} case(s) that an earlier run left behind")

    async def _gone(self, case: Json) -> bool | None:
        response = await self._rest.answer("GET", f"/v1/documents/{case['doc_id']}", self._agent)
        gone = response.status_code == 404 or response.json()["document"]["state"] == "DOCUMENT_STATE_DELETED"
        return gone or None

    async def _answered_from_documents(self) -> None:
        self._step("A question that the documents answer")
        async with self._customer() as conversation:
            self._story.answer = await self._ask(conversation, ANSWERABLE)
        sources = {each["doc_uri"] for each in self._story.answer["citations"]}
        _hold(any(uri.endswith(ANSWER_IS_IN) for uri in sources), f"cited {ANSWER_IS_IN}", sources)

    async def _handed_over(self, conversation: Conversation) -> None:
        self._step("A question that they don't answer")
        await self._post(conversation, UNANSWERABLE)

        def escalated(seen: Conversation) -> str | None:
            guessed = [each for each in seen.messages.values() if each["role"] == "MESSAGE_ROLE_ASSISTANT"]
            _hold(not guessed, "handed to a person", [each["content"] for each in guessed])
            return seen.session.get("ticket_id") or None

        ticket_id = await conversation.until(escalated, "the hand-over", self._timeout_s)
        _hold(conversation.session["status"] == "SESSION_STATUS_ESCALATED", "escalated", conversation.session["status"])
        for each in conversation.messages.values():
            if each["role"] == "MESSAGE_ROLE_SYSTEM":
                self._narrator.line("desk", each["content"])
        ticket = (await self._rest.get(f"/v1/tickets/{ticket_id}", self._agent))["ticket"]
        said = [each["content"] for each in ticket["transcript"]]
        _hold(UNANSWERABLE in said, "the ticket carries the conversation", said)
        _hold(ticket["escalation_reason"] != "REASON_CODE_UNSPECIFIED", "the ticket says why", ticket)
        self._story.ticket = ticket
        self._show_ticket(ticket)

    def _show_ticket(self, ticket: Mapping[str, object]) -> None:
        reason = str(ticket["escalation_reason"]).removeprefix("REASON_CODE_")
        self._narrator.line("ticket", str(ticket["ticket_id"]))
        self._narrator.line("reason", f"{reason}, confidence {float(str(ticket['ai_confidence'])):.2f}")
        self._narrator.line("summary", str(ticket["summary"]))
        pack = ticket.get("evidence_pack")
        found = pack.get("evidence", []) if isinstance(pack, dict) else []
        titles = "; ".join(each["title"] for each in found[:3])
        self._narrator.line("found", f"{len(found)} passages" + (f", nearest: {titles}" if titles else ""))

    async def _agent_replies(self, conversation: Conversation) -> None:
        self._step("An agent replies in the same conversation")
        body = {"body": REPLY, "visibility": "COMMENT_VISIBILITY_PUBLIC", "request_id": f"demo:{uuid.uuid4()}"}
        await self._rest.post(f"/v1/tickets/{self._story.ticket['ticket_id']}/comments", self._agent, body)

        def arrived(seen: Conversation) -> Json | None:
            return next((each for each in seen.messages.values() if each["role"] == "MESSAGE_ROLE_AGENT"), None)

        reply = await conversation.until(arrived, "the agent's reply", self._timeout_s)
        _hold(reply["content"] == REPLY, "the reply arrived word for word", reply["content"])
        self._story.reply = reply
        self._narrator.line("agent", reply["content"])

    async def _agent_resolves(self, conversation: Conversation) -> None:
        self._step("The agent resolves the ticket")
        path = f"/v1/tickets/{self._story.ticket['ticket_id']}"
        current = (await self._rest.get(path, self._agent))["ticket"]
        change = {"status": "TICKET_STATUS_RESOLVED", "etag": current["etag"]}
        self._story.ticket = (await self._rest.patch(path, self._agent, change))["ticket"]

        def resolved(seen: Conversation) -> bool | None:
            return seen.session["status"] == "SESSION_STATUS_RESOLVED" or None

        await conversation.until(resolved, "the conversation's end", self._timeout_s)
        self._narrator.line("desk", "the ticket and the conversation are resolved")

    async def _case_approved(self) -> None:
        self._step("What was learned waits for a person, who approves it")
        ticket_id = self._story.ticket["ticket_id"]

        async def written() -> Json | None:
            page = await self._rest.get("/v1/cases", self._agent, ticket_id=ticket_id)
            found: list[Json] = page.get("cases", [])
            return found[0] if found else None

        case = await self._poll(written, "the learned case")
        _hold(case["state"] == "CASE_STATE_PENDING_REVIEW", "the case waits for review", case["state"])
        self._narrator.line("question", case["question"])
        self._narrator.line("resolution", case["resolution"])
        self._narrator.line("tags", ", ".join(case["tags"]))
        path = f"/v1/cases/{case['case_id']}"
        approved = (await self._rest.post(f"{path}:approve", self._agent, {}))["case"]
        _hold(approved["state"] == "CASE_STATE_APPROVED", "the case is approved", approved["state"])

        async def searchable() -> Json | None:
            now: Json = (await self._rest.get(path, self._agent))["case"]
            if not now.get("doc_id"):
                return None
            response = await self._rest.answer("GET", f"/v1/documents/{now['doc_id']}", self._agent)
            if response.is_error:
                return None
            document = response.json()["document"]
            ready = document["state"] == "DOCUMENT_STATE_INDEXED" and set(now["acl"] or ["public"]) <= {
                *document["acl"]
            }
            return now if ready else None

        self._story.case = await self._poll(searchable, "the approved case in the search")
        self._narrator.line("agent", "approved")

    async def _answered_from_the_case(self) -> None:
        self._step("Another customer asks the same in other words")
        async with self._customer() as conversation:
            self._story.learned = await self._ask(conversation, SIMILAR)
        cited = {each["doc_id"] for each in self._story.learned["citations"]}
        _hold(self._story.case["doc_id"] in cited, "answered from the learned case", self._story.learned["content"])

    async def _ask(self, conversation: Conversation, question: str) -> Json:
        """The answer to a question that must be answered."""
        message_id = await self._post(conversation, question)

        def answered(seen: Conversation) -> Json | None:
            _hold(seen.session["status"] == "SESSION_STATUS_OPEN", "answered", f"handed over: {_reason(seen.session)}")
            for each in seen.messages.values():
                if each["role"] == "MESSAGE_ROLE_ASSISTANT" and each.get("in_reply_to") == message_id:
                    return each
            return None

        answer = await conversation.until(answered, "the answer", self._timeout_s)
        _hold(bool(answer["citations"]), "the answer cites its sources", answer["content"])
        _hold(all(each["quote"].strip() for each in answer["citations"]), "every citation quotes", answer["citations"])
        self._narrator.line("desk", answer["content"])
        for number, each in enumerate(answer["citations"], 1):
            self._narrator.line(f"[{number}]", f"{each['title']} ({each['doc_uri']}): “{each['quote']}”")
        return answer

    async def _post(self, conversation: Conversation, content: str) -> str:
        self._narrator.line("customer", content)
        path = f"/v1/sessions/{conversation.session_id}/messages"
        body = {"content": content, "request_id": f"demo:{uuid.uuid4()}"}
        posted = await self._rest.post(path, conversation.token, body)
        return str(posted["message_id"])

    def _customer(self) -> AbstractAsyncContextManager[Conversation]:
        return open_conversation(self._rest, knowledge_base=self._knowledge_base, say_stage=self._narrator.stage)

    async def _poll(self, look: Callable[[], Awaitable[T | None]], what: str) -> T:
        """What `look` finds, asked again and again until it does. Raises DemoFailed after the time allowed."""
        deadline, pause = time.monotonic() + self._timeout_s, 0.05
        while True:
            found = await look()
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise DemoFailed(f"{what} did not come within {self._timeout_s:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)


def is_ours(case: Mapping[str, object]) -> bool:
    """Whether an earlier run of this demo taught the desk this."""
    return REPLY in str(case["resolution"]) or str(case["question"]).strip() == UNANSWERABLE


def _hold(holds: bool, what: str, seen: object) -> None:
    if not holds:
        raise DemoFailed(f"expected: {what}; seen: {str(seen)[:500]}")


def _reason(session: Mapping[str, object]) -> str:
    return str(session.get("escalation_reason", "")).removeprefix("REASON_CODE_")
