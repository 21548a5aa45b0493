"""Experiments 16, 17 and 18: the same thing asked again, by many, by others, in another order, under a wrong clock."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc

from groundline.conversation.v1 import conversation_service_pb2
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2

from .evidence import quiet
from .experiments import EMBEDDED, Result, Trial, settle, stage_ledger, under_load
from .load import PASSING, Conversation, Load
from .questions import UNANSWERABLE
from .stage import Stage

_AT_ONCE = 50
_HOUR_S = 3600.0
_LONG_LEASE = {"GROUNDLINE_COMMAND_LEASE_S": "60"}
# Commands that were done become due again, one of each conversation at a time.
_AGAIN = """
with finished as (
    select outbox_id, row_number() over (partition by ordering_key order by outbox_id desc) as place
    from messaging.outbox where status = 'done' and ordering_key = any ($1::uuid[]) and created_at < $3
)
update messaging.outbox o
set status = 'pending', done_at = null, attempts = 0, next_attempt_at = now()
from finished where finished.outbox_id = o.outbox_id and finished.place = $2
returning o.type
"""
_ATTEMPTS = """
select type, idempotency_key as key, attempts from messaging.outbox
where ordering_key = any ($1::uuid[]) and attempts > 1 and type in ('create_ticket', 'mirror_reply')
"""


async def same_request(stage: Stage, result: Result) -> None:
    """16: fifty calls at once with one request_id; the same id with another body; another's id."""
    ledger = stage_ledger(stage, result)
    load = Load(stage.live, ledger, result.seed)
    fay, gus = (stage.live.token("agent", name) for name in ("fay", "gus"))
    async with stage.live.mesh(None) as mesh, stage.live.mesh(fay) as fays, stage.live.mesh(gus) as guss:
        for number in range(result.rounds):
            name = f"{ledger.path.stem}-{number}"
            one, other = (Conversation(load, mesh, fays, f"{name}-{which}") for which in ("one", "other"))
            await one.open()
            await other.open()
            await _posts(mesh, one, other, result)
            await _sessions(mesh, name, result)
            ticket_id = await one.ticket()
            result.expect(bool(ticket_id), "lost", one.session_id, "no ticket")
            if ticket_id:
                await _comments(fays, guss, one, ticket_id, result)
    await settle(stage, result, ledger)


async def _posts(mesh: Any, one: Conversation, other: Conversation, result: Result) -> None:
    content = UNANSWERABLE[0]

    def post(customer: Conversation, words: str, token_of: Conversation) -> Any:
        request = conversation_service_pb2.PostMessageRequest(
            session_id=customer.session_id, content=words, request_id="post-1"
        )
        return mesh.conversation.PostMessage(request, metadata=token_of.metadata)

    said = await _all_of(lambda: post(one, content, one))
    result.add("fifty posts, one request_id")
    ids = {each.message_id for each in said}
    result.expect(len(ids) == 1, "duplicated", one.session_id, f"{len(ids)} messages of one request_id")
    one.acknowledged("post", "post-1", ids.pop(), content, _AT_ONCE)
    code = await _refusal(post(one, "something else", one))
    result.add("another body")
    result.expect(code == grpc.StatusCode.ALREADY_EXISTS, "unexplained", one.session_id, f"another body: {code}")
    theirs = await post(other, UNANSWERABLE[1], other)
    result.add("another customer's request_id")
    other.acknowledged("post", "post-1", theirs.message_id, UNANSWERABLE[1], 1)
    code = await _refusal(post(one, content, other))
    result.add("another customer's conversation")
    refused = code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND)
    result.expect(refused, "unexplained", one.session_id, f"opened to another customer: {code}")


async def _sessions(mesh: Any, name: str, result: Result) -> None:
    request = conversation_service_pb2.CreateSessionRequest(channel="web", request_id=f"many-{name}")
    opened = await _all_of(lambda: mesh.conversation.CreateSession(request))
    result.add("fifty openings, one request_id")
    ids = {each.session.session_id for each in opened}
    result.expect(len(ids) == 1, "duplicated", name, f"{len(ids)} conversations of one request_id")


async def _comments(fays: Any, guss: Any, one: Conversation, ticket_id: str, result: Result) -> None:
    def comment(agents: Any, words: str) -> Any:
        request = ticketing_service_pb2.CreateCommentRequest(
            ticket_id=ticket_id,
            body=words,
            visibility=ticketing_pb2.COMMENT_VISIBILITY_PUBLIC,
            request_id=f"comment-{ticket_id}",
        )
        return agents.ticketing.CreateComment(request)

    written = await _all_of(lambda: comment(fays, "I am on it."))
    result.add("fifty comments, one request_id")
    ids = {each.comment.comment_id for each in written}
    result.expect(len(ids) == 1, "duplicated", ticket_id, f"{len(ids)} comments of one request_id")
    one.acknowledged("reply", f"comment-{ticket_id}", ids.pop(), "I am on it.", _AT_ONCE)
    result.add("another agent's request_id")
    try:
        answer = await comment(guss, "So am I.")
    except grpc.aio.AioRpcError as error:
        result.expect(False, "lost", ticket_id, f"another agent's reply was refused: {error.code().name}")
    else:
        one.acknowledged("reply", f"comment-{ticket_id}-gus", answer.comment.comment_id, "So am I.", 1)


async def _all_of(call: Any) -> list[Any]:
    """What fifty callers at once are answered; who is told to come again comes again."""

    async def patiently() -> Any:
        deadline = time.monotonic() + 30
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() not in PASSING or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)

    return await asyncio.gather(*(patiently() for _ in range(_AT_ONCE)))


async def _refusal(call: Any) -> grpc.StatusCode | None:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return None


async def events_again(stage: Stage, result: Result) -> None:
    """17: every event between conversations and tickets comes a second time, the latest of each conversation first."""
    async with under_load(stage, result, most_sessions=16 * result.rounds) as load:
        await load.finished.wait()
        async with stage.live.owner() as conn:
            await quiet(conn, result.patience_s)
            until = await conn.fetchval("select now()")
            for place in range(1, 100):
                again = await conn.fetch(_AGAIN, load.ledger.sessions, place, until)
                if not again:
                    break
                for row in again:
                    result.add(f"{row['type']} again")
                await quiet(conn, result.patience_s)


async def wrong_clock(stage: Stage, result: Result) -> None:
    """18: beside the stack's own worker another, whose clock is an hour fast, then an hour slow. It takes nothing from
    the other's hands, and nothing dies because its tokens are refused."""
    for offset_s in (_HOUR_S, -_HOUR_S):
        async with (
            # Nobody's lease ends because the machine is busy: what is begun twice was taken.
            stage.told({"worker-delivery": _LONG_LEASE}),
            stage.second("worker-delivery", GROUNDLINE_SABOTAGE_CLOCK_S=str(offset_s), **_LONG_LEASE),
        ):
            async with under_load(stage, result, most_sessions=12 * result.rounds, salt=int(offset_s)) as load:
                result.add(f"clock off by {offset_s / 60:+.0f} min")
                while not load.finished.is_set():
                    # What is handled takes a while, for the other to look at it.
                    stage.arm("relay.command.handled", "sleep:1")
                    await asyncio.sleep(0.3)
                stage.disarm()
            async with stage.live.owner() as conn:
                for row in await conn.fetch(_ATTEMPTS, load.ledger.sessions):
                    result.expect(False, "duplicated", row["key"], f"begun {row['attempts']} times")


TRIALS = (
    Trial("16", "one request_id: fifty at once, another body, another caller", same_request, EMBEDDED, most_rounds=3),
    Trial("17", "events between conversation and ticket again, the latest first", events_again, most_rounds=2),
    Trial("18", "a worker's clock an hour off", wrong_clock),
)
