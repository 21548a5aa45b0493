"""Where a turn's time goes: scripted questions to a whole stack, and what its events say of each stage."""

import asyncio
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import asyncpg
import grpc
from google.protobuf import json_format

from bench.figures import Spread, quantile
from bench.load import LoadError
from bench.processes import REPOSITORY, python
from bench.report import Table
from bench.side_by_side import Say
from cli.asking import open_session
from cli.mesh import Mesh
from cli.stack.stack import Stack
from groundline.conversation.v1 import conversation_service_pb2 as conversation
from groundline.orchestration.v1 import event_pb2

NAME = "turn-overhead"
# Stricter than the event's own `overhead`: the way to another process is none of the search's time.
OWN = "own time"
MOST_OVERHEAD_MS = 5.0
# Asked first and not counted: connections, plans and the model's first run are not what a turn costs.
WARM_UP = 5
TURN_TIMEOUT_S = 60.0
INGEST_TIMEOUT_S = 600.0

READ_TURN = "SELECT payload_json FROM conversation.events WHERE type = 'turn' AND session_id = $1 LIMIT 1"


def run(folder: Path, questions: int, say: Say) -> Table:
    """Starts a stack in `folder` and deletes it at the end. Raises LoadError, StackError."""
    stack = Stack(folder / "home", edge_port=0, say=say)
    try:
        stack.up()
        say("taking in samples/knowledge")
        _ingest(stack)
        turns = asyncio.run(_ask_all(stack, _questions(questions + WARM_UP), say))[WARM_UP:]
    finally:
        say("stopping the stack")
        stack.destroy()
    return _table(turns)


def _ingest(stack: Stack) -> None:
    try:
        done = subprocess.run(
            python("cli", "ingest", "samples/knowledge", "--json"),
            env=stack.client_environment(),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=INGEST_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LoadError("samples/knowledge was not taken in in time") from None
    if done.returncode:
        raise LoadError(f"samples/knowledge was not taken in: {(done.stderr.strip() or 'no output').splitlines()[-1]}")


def _questions(count: int) -> list[str]:
    lines = (REPOSITORY / "samples" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    script = [str(json.loads(line)["question"]) for line in lines if line.strip()]
    return [script[number % len(script)] for number in range(count)]


async def _ask_all(stack: Stack, questions: Sequence[str], say: Say) -> list[event_pb2.Turn]:
    database = await asyncpg.connect(stack.database_url(), timeout=10)
    turns = []
    try:
        await database.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        for number, question in enumerate(questions, start=1):
            say(f"question {number} of {len(questions)}")
            turns.append(await _ask(stack.edge_target, database, question))
    except grpc.aio.AioRpcError as error:
        raise LoadError(f"the mesh refused a question: {error.code().name} {error.details()}") from error
    finally:
        await database.close(timeout=10)
    return turns


async def _ask(target: str, database: "asyncpg.Connection[asyncpg.Record]", question: str) -> event_pb2.Turn:
    async with Mesh(target, None) as visitor:
        session, token = await open_session(visitor, channel="bench", knowledge_base=None)
    async with Mesh(target, token) as customer:
        request = conversation.PostMessageRequest(session_id=session.session_id, content=question)
        await customer.conversation.PostMessage(request)
    deadline = time.monotonic() + TURN_TIMEOUT_S
    while time.monotonic() < deadline:
        payload = await database.fetchval(READ_TURN, session.session_id, timeout=10)
        if payload is not None:
            return json_format.ParseDict(payload, event_pb2.Event(), ignore_unknown_fields=True).turn
        await asyncio.sleep(0.02)
    raise LoadError(f"no turn within {TURN_TIMEOUT_S:.0f} s: does the whole stack run?")


def _own_ms(turn: event_pb2.Turn) -> float:
    spent = {timing.stage: timing.duration_ms for timing in turn.timings}
    own = spent["overhead"] + spent.get("understanding", 0.0)
    if "retrieval" in spent and turn.HasField("evidence_pack"):
        own += max(0.0, spent["retrieval"] - turn.evidence_pack.diagnostics.total_ms)
    return own


def _table(turns: Sequence[event_pb2.Turn]) -> Table:
    stages: dict[str, list[float]] = {}
    for turn in turns:
        for timing in turn.timings:
            stages.setdefault(timing.stage, []).append(timing.duration_ms)
    if "overhead" not in stages:
        raise LoadError("the turns' events say nothing of their overhead")
    stages[OWN] = [_own_ms(turn) for turn in turns]
    spreads = {stage: Spread.of(values) for stage, values in stages.items()}
    rows = [
        [stage, str(len(values)), *(f"{value:.2f}" for value in (spreads[stage].median, quantile(values, 0.95)))]
        for stage, values in stages.items()
    ]
    median = spreads[OWN].median
    return Table(
        NAME,
        f"A turn's time by stage, {len(turns)} questions one after another",
        ["stage", "turns", "median ms", "p95 ms"],
        rows,
        notes=[
            "`capture` is from the message's write to the turn's begin; `overhead` is all that no stage names.",
            f"`{OWN}` is `overhead`, `understanding`, and what the call of retrieval took beyond the search itself.",
        ],
        goals=[
            (f"{OWN} at most {MOST_OVERHEAD_MS:g} ms in the median: {median:.2f} ms", median <= MOST_OVERHEAD_MS),
        ],
        data={stage: {"ms": values, **asdict(spreads[stage])} for stage, values in stages.items()},
    )
