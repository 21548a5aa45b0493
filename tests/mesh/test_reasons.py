"""Each reason code by a conversation that leads to it: what the customer is told, and the ticket that a person finds.

The gate is the real one with the policy that ships; so are ticketing, the worker and the wire between them. Only what
the search finds, and what a language model says where there is one, is told by the test.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from groundline.conversation.v1 import conversation_pb2 as pb
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2
from groundline.ticketing.v1 import ticketing_service_pb2 as tickets
from meshkit import testing
from svc_orchestrator.notices import TAKING_OVER

from ..models.scripted_server import Request, Scripted, ScriptedServer, answer, error
from ..unit.evaluator.cases import QUESTION, TEXT, evidence, pack
from .scripted import Customer
from .whole_desk import WholeDesk, open_whole_desk

CONTRACT = Path(__file__).parents[2] / "proto" / "groundline" / "evaluation" / "v1" / "reason_code.proto"
NOWHERE = "127.0.0.1:1"


async def _nothing_happens(_desk: WholeDesk, _customer: Customer) -> None: ...


@dataclass(frozen=True)
class Conversation:
    """A customer's words, and what makes the desk hand them over."""

    says: str = QUESTION
    found: tuple[evidence_pb2.Evidence, ...] = (evidence(),)
    """What the search finds; nothing at all means that it fails."""
    model: Scripted | None = None
    """What a language model replies to everything; None: there is none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[WholeDesk, Customer], Awaitable[None]] = _nothing_happens
    after: Callable[[WholeDesk, Customer], Awaitable[None]] = _nothing_happens


def _claiming(*claims: tuple[str, str]) -> Scripted:
    """A model that makes these claims, each with a quote of the passage to it."""
    cited = [{"text": text, "citations": [{"passage": "P1", "quote": quote}]} for text, quote in claims]
    return answer(json.dumps({"claims": cited}))


async def _three_workers_died(desk: WholeDesk, customer: Customer) -> None:
    await desk.talk.sql.execute(
        "insert into conversation.leases (session_id, token, holder, expires_at, failed_turns) "
        "values ($1, 3, 'dead', now() - interval '1 second', 2)",
        customer.id,
    )


async def _an_agent_steps_in(desk: WholeDesk, customer: Customer) -> None:
    async def answered() -> bool:
        return pb.MESSAGE_ROLE_ASSISTANT in [each.role for each in await customer.chain()]

    await testing.eventually(answered, timeout_s=30)
    agent = await desk.agent()
    await agent.CreateTicket(tickets.CreateTicketRequest(session_id=customer.session_id))


CONVERSATIONS: Mapping[rc.ReasonCode.ValueType, Conversation] = {
    rc.REASON_CODE_NO_EVIDENCE: Conversation(
        "Do you sell bananas?", (evidence("The tray is made of steel.", title="Materials", score=0.05, cosine=0.02),)
    ),
    rc.REASON_CODE_INSUFFICIENT_COVERAGE: Conversation("How many widgets can an Acme 3 hold if it shows E-7731?"),
    rc.REASON_CODE_CONFLICTING_SOURCES: Conversation(
        found=(evidence(), evidence(TEXT.replace("40", "30"), name="other", title="Trays of an Acme 3"))
    ),
    rc.REASON_CODE_STALE_SOURCES: Conversation(found=(evidence(superseded=True),)),
    rc.REASON_CODE_MISSING_CITATIONS: Conversation(
        model=_claiming(
            ("An Acme 3 can hold up to 40 widgets.", "An Acme 3 can hold up to 40 widgets."),
            ("It ships with an empty tray.", "a forged quote"),
        )
    ),
    rc.REASON_CODE_UNSUPPORTED_CLAIM: Conversation(
        model=_claiming(("An Acme 3 can hold up to 60 widgets.", "An Acme 3 can hold up to 40 widgets."))
    ),
    rc.REASON_CODE_LLM_ERROR: Conversation(model=error(500)),
    rc.REASON_CODE_EVALUATOR_ERROR: Conversation(settings={"evaluator_target": NOWHERE, "evaluation_timeout_s": 0.5}),
    rc.REASON_CODE_RETRIEVAL_ERROR: Conversation(found=()),
    rc.REASON_CODE_TURN_FAILED: Conversation(before=_three_workers_died),
    rc.REASON_CODE_CUSTOMER_REQUEST: Conversation("I'd like to talk to a real person, please."),
    rc.REASON_CODE_AGENT_TAKEOVER: Conversation(after=_an_agent_steps_in),
    rc.REASON_CODE_POLICY_RESTRICTED: Conversation("My lawyer wants to know: how many widgets can an Acme 3 hold?"),
}


def _told() -> dict[str, str]:
    """What the contract's comments say that a customer is told, by the reason's name; "" where the bot says nothing."""
    told = {}
    for comment, name in re.findall(r"((?:  //[^\n]*\n)+)  (REASON_CODE_\w+) = \d+;", CONTRACT.read_text()):
        words = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        said = re.search(r'Told: "([^"]+)"', words)
        if said or "Told by the agent" in words:
            told[name] = said[1] if said else ""
    return told


def test_every_reason_has_its_conversation_and_the_contract_says_what_a_customer_is_told() -> None:
    reasons = {each for each in rc.ReasonCode.values() if each != rc.REASON_CODE_UNSPECIFIED}
    assert set(CONVERSATIONS) == reasons
    assert set(_told()) == {rc.ReasonCode.Name(each) for each in reasons}


@pytest.mark.parametrize("reason", CONVERSATIONS, ids=[rc.ReasonCode.Name(each) for each in CONVERSATIONS])
async def test_a_conversation_ends_with_its_reason_at_a_person(
    reason: rc.ReasonCode.ValueType, database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    script = CONVERSATIONS[reason]
    async with AsyncExitStack() as stack:
        settings = {**script.settings, **await _with_model(stack, script.model)}
        desk = await stack.enter_async_context(
            open_whole_desk(database_url, keys, tmp_path, orchestrator_settings=settings)
        )
        desk.talk.script.search = _finding(script)
        customer = await desk.talk.open()
        await script.before(desk, customer)
        await customer.says(script.says)
        await script.after(desk, customer)
        ticket = await desk.ticket_of(customer)
        session, chain = await customer.session(), await customer.chain()
        count = await desk.talk.sql.fetchval("select count(*) from ticketing.tickets")
    assert (ticket.escalation_reason, session.escalation_reason) == (reason, reason)
    assert session.status == pb.SESSION_STATUS_ESCALATED
    assert count == 1
    notices = [each.content for each in chain if each.role == pb.MESSAGE_ROLE_SYSTEM]
    told = _told()[rc.ReasonCode.Name(reason)]
    assert notices == ([f"{told} {TAKING_OVER}"] if told else [])
    if told:
        # Nothing but the notice: no draft that was refused, nor a part of one.
        assert [each.role for each in chain] == [pb.MESSAGE_ROLE_CUSTOMER, pb.MESSAGE_ROLE_SYSTEM]


async def test_the_same_question_without_what_is_wrong_is_answered(
    database_url: str, keys: testing.Keys, tmp_path: Path
) -> None:
    async with open_whole_desk(database_url, keys, tmp_path) as desk:
        desk.talk.script.search = _finding(Conversation())
        customer = await desk.talk.open()
        await customer.says(QUESTION)

        async def answered() -> bool:
            return len(await customer.chain()) == 2

        await testing.eventually(answered, timeout_s=30)
        reply = (await customer.chain())[-1]
    assert reply.role == pb.MESSAGE_ROLE_ASSISTANT
    assert "40 widgets" in reply.content


async def _with_model(stack: AsyncExitStack, reply: Scripted | None) -> dict[str, Any]:
    if reply is None:
        return {}
    server = await stack.enter_async_context(ScriptedServer())

    def respond(_: Request) -> Scripted:
        return reply

    server.respond = respond
    return {"chat_base_url": server.base_url, "chat_api_key": "sk-never-shown", "chat_model": "scripted-model"}


def _finding(script: Conversation) -> Callable[[retrieval_pb2.SearchEvidenceRequest], Awaitable[Any]]:
    async def search(request: retrieval_pb2.SearchEvidenceRequest) -> evidence_pb2.EvidencePack:
        if not script.found:
            raise RuntimeError("the index is away")
        return pack(*script.found, question=request.query)

    return search
