"""Experiments 28 to 30: the language model and the evaluator do whatever a broken program can do. Each turn ends with
a person, and nothing that was not judged is shown."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ..models.scripted_server import HangUp, Reply, Scripted, ScriptedServer, answer
from .experiments import EMBEDDED, Result, Trial, under_load
from .stage import Stage

# What the model says is recognised by this, should a customer ever be shown it.
_MARK = "said-by-the-model"
_DRAFT_TIMEOUT_S = 2
_BYTE_EVERY_S = 10.0

STALLS: Sequence[tuple[str, Scripted]] = (
    ("stalls", Reply(stall=True)),
    ("a byte each 10 s", Reply(b'{"choices": []}', byte_every_s=_BYTE_EVERY_S)),
)
NONSENSE: Sequence[tuple[str, Scripted]] = (
    ("429", Reply(status=429, headers={"Retry-After": "7"})),
    ("500", Reply(status=500, body=b"boom")),
    ("garbage", answer(f"I would say: {_MARK}")),
    ("truncated", Reply(b'{"choices": [{"message"', send_only=10)),
    ("empty", answer("")),
    ("claims nothing", answer('{"claims": []}')),
    ("claims without evidence", answer(f'{{"claims": [{{"text": "{_MARK}", "citations": []}}]}}')),
    ("10 MB", Reply(b'"' + b"x" * 10_000_000 + b'"')),
    ("hangs up", HangUp()),
)
_REASONS = """
select payload_json -> 'turn' -> 'verdict' ->> 'reason' as reason, count(*) as turns
from conversation.events where type = 'turn' and session_id = any ($1::uuid[]) group by 1
"""
_SHOWN = "select count(*) from conversation.messages where session_id = any ($1::uuid[]) and content like $2"
_ANSWERED = """
select count(*) from conversation.messages
where session_id = any ($1::uuid[]) and role = 'assistant'
    and jsonb_array_length(coalesce(metadata_json -> 'citations', '[]')) > 0
"""


async def stalls(stage: Stage, result: Result, *, draft_timeout_s: int = _DRAFT_TIMEOUT_S) -> None:
    """28: the model says nothing, or next to nothing."""
    await _with_model(stage, result, STALLS, draft_timeout_s)


async def nonsense(stage: Stage, result: Result) -> None:
    """29: the model answers what is no answer."""
    await _with_model(stage, result, NONSENSE, _DRAFT_TIMEOUT_S)


async def _with_model(
    stage: Stage, result: Result, kinds: Sequence[tuple[str, Scripted]], draft_timeout_s: int
) -> None:
    async with ScriptedServer() as server:
        server.respond = _misbehaving(kinds, result)
        settings = {
            "GROUNDLINE_CHAT_BASE_URL": server.base_url,
            "GROUNDLINE_CHAT_API_KEY": "none",
            "GROUNDLINE_CHAT_MODEL": "scripted",
            "GROUNDLINE_DRAFT_TIMEOUT_S": str(draft_timeout_s),
        }
        async with (
            stage.told({"orchestrator": settings}),
            under_load(stage, result, most_sessions=24 * result.rounds) as load,
        ):
            await load.finished.wait()
    async with stage.live.owner() as conn:
        reasons = {row["reason"]: row["turns"] for row in await conn.fetch(_REASONS, load.ledger.sessions)}
        shown = await conn.fetchval(_SHOWN, load.ledger.sessions, f"%{_MARK}%")
    failed = reasons.get("REASON_CODE_LLM_ERROR", 0)
    result.measured["handed over for the model's sake"] = str(failed)
    result.expect(failed > 0, "unexplained", "turns", "no turn was handed over for the model's sake")
    result.expect(not shown, "unexplained", "turns", f"{shown} customers were shown what was not judged")


def _misbehaving(kinds: Sequence[tuple[str, Scripted]], result: Result) -> Callable[[object], Scripted]:
    rng = random.Random(result.seed)

    def choose(_: object) -> Scripted:
        kind, reply = rng.choice(kinds)
        result.add(f"model: {kind}")
        return reply

    return choose


async def evaluator_mad(stage: Stage, result: Result) -> None:
    """30: the evaluator dies, raises, and gives verdicts with NaN, with a decision and with a reason that there are
    not. Nothing passes."""
    async with (
        stage.without("verdicts_mad", "evaluator"),
        under_load(stage, result, most_sessions=30 * result.rounds) as load,
    ):
        await load.finished.wait()
    async with stage.live.owner() as conn:
        reasons = {row["reason"]: row["turns"] for row in await conn.fetch(_REASONS, load.ledger.sessions)}
        answered = await conn.fetchval(_ANSWERED, load.ledger.sessions)
    failed = reasons.get("REASON_CODE_EVALUATOR_ERROR", 0)
    result.add("verdicts that are none", 0.0)
    result.fired["verdicts that are none"] = failed
    result.expect(failed > 0, "unexplained", "turns", "no turn was handed over for the evaluator's sake")
    result.expect(not answered, "unexplained", "turns", f"{answered} answers were shown without a verdict")


TRIALS = (
    Trial("28", "the model stalls, or sends a byte each 10 s", stalls, EMBEDDED),
    Trial("29", "the model answers 429, garbage, half, nothing, 10 MB", nonsense, EMBEDDED),
    Trial("30", "the evaluator crashes, says NaN and unknown values: fail closed", evaluator_mad, EMBEDDED),
)
