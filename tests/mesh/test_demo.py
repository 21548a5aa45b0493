"""All that `make demo` shows, asserted: over REST with Server-Sent Events, and again over native gRPC."""

from typing import Any

import asyncpg

from cli.demo import Rest, Story, play
from cli.demo.story import ANSWER_IS_IN, REPLY, STEPS, UNANSWERABLE
from groundline.conversation.v1 import conversation_pb2 as conversation
from meshkit.testing import eventually

from ..stack import Live, is_idle
from .grpc_story import Script

TIMEOUT_S = 30.0
# What a turn goes through before it answers.
STAGES = ("UNDERSTANDING", "RETRIEVING", "DRAFTING", "CHECKING")
# The gate's reasons for a question without an answer in the documents; a failure of a part must not pass as one.
HONEST_REASONS = {"REASON_CODE_NO_EVIDENCE", "REASON_CODE_INSUFFICIENT_COVERAGE", "REASON_CODE_UNSUPPORTED_CLAIM"}


class Told:
    """Keeps what the demo tells."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.stages: list[str] = []

    def step(self, number: int, title: str) -> None:
        self.steps.append(number)

    def line(self, who: str, text: str) -> None:
        pass

    def stage(self, name: str) -> None:
        self.stages.append(name.upper())


async def test_over_rest(live: Live) -> None:
    told = Told()
    async with Rest(live.stack.edge_url) as rest:
        story = await play(rest, live.token("agent", "demo-agent"), narrator=told, timeout_s=TIMEOUT_S)
    assert told.steps == list(range(1, STEPS + 1))
    # Its stream may be connected after a turn began, and progress is told to those who listen already.
    assert set(told.stages) & set(STAGES)
    await check(live, story)


async def test_over_grpc(live: Live) -> None:
    script = Script(live, TIMEOUT_S)
    story = await script.play()
    assert set(script.stages) >= {conversation.TurnStage.Value(f"TURN_STAGE_{name}") for name in STAGES}
    await check(live, story)


async def check(live: Live, story: Story) -> None:
    """What must be true of the story, and of what it left in the database, whichever way it was played."""
    async with live.owner() as conn:
        # What follows a resolution, such as mirroring, is done too.
        await eventually(lambda: is_idle(conn), timeout_s=TIMEOUT_S)
        await check_answer(conn, story.answer)
        assert any(each["doc_uri"].endswith(ANSWER_IS_IN) for each in story.answer["citations"])
        await check_answer(conn, story.learned)
        assert story.case["doc_id"] in {each["doc_id"] for each in story.learned["citations"]}
        await check_ticket(conn, story)
        await check_case(conn, story)
        assert await conn.fetchval("select count(*) from messaging.outbox where status = 'dead'") == 0


async def check_answer(conn: asyncpg.Connection, answer: dict[str, Any]) -> None:
    assert answer["role"] == "MESSAGE_ROLE_ASSISTANT"
    assert answer["citations"]
    for each in answer["citations"]:
        part = answer["content"][each["content_start"] : each["content_end"]]
        assert part.strip()
        row = await conn.fetchrow(
            "select c.text, d.uri, d.title, d.doc_id::text from knowledge.doc_chunks c "
            "join knowledge.documents d using (doc_id) where c.chunk_id = $1::text::uuid",
            each["chunk_id"],
        )
        assert row is not None, "what is cited can be found"
        assert each["quote"] in row["text"], "word for word"
        assert (each["doc_uri"], each["title"], each["doc_id"]) == (row["uri"], row["title"], row["doc_id"])
    stored = await conn.fetchrow(
        "select question.role, count(*) over () as replies from conversation.messages reply "
        "join conversation.messages question on question.message_id = reply.in_reply_to "
        "where reply.in_reply_to = $1::text::uuid",
        answer["in_reply_to"],
    )
    assert stored is not None
    assert (stored["role"], stored["replies"]) == ("customer", 1), "one answer to one question"


async def check_ticket(conn: asyncpg.Connection, story: Story) -> None:
    ticket = story.ticket
    assert ticket["status"] == "TICKET_STATUS_RESOLVED"
    assert ticket["escalation_reason"] in HONEST_REASONS
    assert 0 <= float(ticket["ai_confidence"]) < 1
    assert UNANSWERABLE in ticket["summary"]
    assert [each["content"] for each in ticket["transcript"]][:1] == [UNANSWERABLE]
    assert ticket["evidence_pack"]["query"]
    assert ticket["evidence_pack"]["diagnostics"]
    assert ticket["verdict"]["reason"] == ticket["escalation_reason"]
    session_id, ticket_id = ticket["session_id"], ticket["ticket_id"]
    tickets = await conn.fetch(
        "select ticket_id::text from ticketing.tickets where session_id = $1::text::uuid", session_id
    )
    assert [row["ticket_id"] for row in tickets] == [ticket_id], "one ticket for the escalation"
    chain = await conn.fetch(
        "select role, content from conversation.messages where session_id = $1::text::uuid order by sequence",
        session_id,
    )
    assert [row["role"] for row in chain][:3] == ["customer", "system", "agent"]
    assert [row["content"] for row in chain if row["role"] == "agent"] == [REPLY]
    assert (story.reply["role"], story.reply["content"]) == ("MESSAGE_ROLE_AGENT", REPLY)
    replies = await conn.fetchval(
        "select count(*) from ticketing.ticket_comments where ticket_id = $1::text::uuid and body = $2",
        ticket_id,
        REPLY,
    )
    assert replies == 1
    status = await conn.fetchval(
        "select status from conversation.sessions where session_id = $1::text::uuid", session_id
    )
    assert status == "resolved"


async def check_case(conn: asyncpg.Connection, story: Story) -> None:
    case = story.case
    assert case["state"] == "CASE_STATE_APPROVED"
    assert case["ticket_id"] == story.ticket["ticket_id"]
    assert UNANSWERABLE in case["question"]
    assert REPLY in case["resolution"]
    assert 1 <= len(case["tags"]) <= 16
    assert all(1 <= len(tag.split()) <= 2 for tag in case["tags"])
    cases = await conn.fetchval(
        "select count(*) from knowledge.case_summaries where ticket_id = $1::text::uuid", case["ticket_id"]
    )
    assert cases == 1
