"""`python -m evals.replays`: turns are taken and stored as in production, all documents are changed or deleted, then
every verdict is judged again from its event alone. None may differ by a bit."""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from evals.conversations import read_knowledge, read_questions
from evals.desk import BASE, Desk, Progress, all_of, open_desk
from evals.sets import SetUnusable, read_set
from evals.submitting import to_corpus
from evals.turns import Turns
from groundline.evaluation.v1 import evaluation_pb2
from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.orchestration.v1 import event_pb2
from meshkit.ids import new_id
from meshkit.postgres import Database
from svc_evaluator.judgement import judge
from svc_evaluator.policy_files import SHIPPED, Policies
from svc_gateway import store as gateway_store
from svc_gateway.store import NewSession
from svc_orchestrator import progress as stages
from svc_orchestrator import store
from svc_orchestrator.advancing import Advancer
from svc_retrieval.properties import Submission

REPOSITORY = Path(__file__).resolve().parent.parent
DIFFERS = 5
_PAGE = 50
_OTHER = b"\n\nAll of the above no longer holds since 2031: it takes 99 minutes, and never twice.\n"
_LEASE_S = 120.0
_GROUPS_IN_ALL = "public"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and who asks it."""

    text: str
    groups: tuple[str, ...] = ()


@dataclass(slots=True)
class Replayed:
    """How many stored turns were judged again, what they had come to, and the events whose verdict differs."""

    judged: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)

    def add(self, other: "Replayed") -> None:
        """Counts what another knowledge base gave."""
        self.judged += other.judged
        self.outcomes += other.outcomes
        self.differing += other.differing


class Conversations:
    """Conversations at a desk: written by the gateway's statements, turned and committed by the orchestrator's code."""

    def __init__(self, gateway: Database, orchestrator: Database, turns: Turns) -> None:
        self._gateway = gateway
        self._db = orchestrator
        self._advancer = Advancer(orchestrator, turns.taker(), stages.Progress(), lease_s=_LEASE_S)

    @classmethod
    async def open(cls, desk: Desk) -> "Conversations":
        """Over the desk's database, each service under its own role."""
        return cls(await desk.connect("groundline_gateway"), await desk.connect("groundline_orchestrator"), Turns(desk))

    async def ask(self, questions: Sequence[Asked], progress: Progress) -> None:
        """A conversation and a committed turn for each."""
        await all_of(questions, self._ask, "asking", progress)

    async def replay(self) -> Replayed:
        """Reads every turn from the database and judges it again, with nothing but its event and the policies."""
        found, policies = Replayed(), Policies.from_folders(SHIPPED)
        after: tuple[datetime, UUID] | None = None
        while True:
            async with self._db.connection() as conn:
                events = await store.list_turns(conn, None, after, _PAGE)
            for event in events:
                _judge_again(event, policies, found)
            if len(events) < _PAGE:
                return found
            last = events[-1]
            moment = last.created_at.ToDatetime(UTC)
            after = (moment, UUID(last.event_id))

    async def _ask(self, asked: Asked) -> None:
        session_id = new_id()
        groups = tuple(each for each in asked.groups if each != _GROUPS_IN_ALL)
        new = NewSession(session_id, "evals", None, False, groups, BASE, "evals", None, b"")
        async with self._gateway.connection() as conn:
            await gateway_store.insert_session(conn, new)
            await conn.fetchrow(
                gateway_store.queries.post_message, session_id, new_id(), asked.text, None, new_id(), 0.0, None
            )
        await self._advancer.advance(session_id)


def _judge_again(event: event_pb2.Event, policies: Policies, found: Replayed) -> None:
    turn = event.turn
    if not turn.verdict.policy_version:
        # A wish for a person or a greeting: no verdict of the gate.
        return
    draft = turn.draft if turn.HasField("draft") else None
    policy = policies.get(turn.verdict.policy_version)
    opinion = turn.second_opinion if turn.HasField("second_opinion") else None
    again = judge(turn.understanding.standalone_query, turn.evidence_pack, draft, policy, opinion)
    found.judged += 1
    passed = turn.verdict.decision == evaluation_pb2.DECISION_PASS
    found.outcomes["PASS" if passed else codes.ReasonCode.Name(turn.verdict.reason).removeprefix("REASON_CODE_")] += 1
    if again.SerializeToString(deterministic=True) != turn.verdict.SerializeToString(deterministic=True):
        found.differing.append(event.event_id)


async def disturb(desk: Desk, submissions: Sequence[Submission], progress: Progress) -> tuple[int, int]:
    """Rewrites every second document and deletes the others; returns how many of each."""
    changed = [replace(each, content=each.content[: len(each.content) // 2] + _OTHER) for each in submissions[::2]]
    await desk.ingest(changed, progress)

    async def delete(submission: Submission) -> None:
        await desk.delete(submission.uri)

    await all_of(submissions[1::2], delete, "deleting", progress)
    return len(changed), len(submissions) - len(changed)


async def run(
    submissions: Sequence[Submission], questions: Sequence[Asked], turns: int, progress: Progress
) -> tuple[Replayed, tuple[int, int]]:
    """At least `turns` judged turns over one knowledge base, as long as there are questions; then the disturbance."""
    async with open_desk() as desk:
        await desk.ingest(submissions, progress)
        conversations = await Conversations.open(desk)
        await conversations.ask(questions[:turns], progress)
        disturbed = await disturb(desk, submissions, progress)
        return await conversations.replay(), disturbed


def main(arguments: Sequence[str] | None = None) -> int:
    """0: none differs; 1: a set can't be read, or there were too few questions; 5: one differs."""
    options = _parser().parse_args(arguments)
    try:
        total, documents = asyncio.run(_all(options.sets, options.turns))
    except SetUnusable as error:
        print(f"evals.replays: {error}", file=sys.stderr)
        return 1
    print(
        json.dumps(
            {
                "turns_judged_again": total.judged,
                "differing": total.differing,
                "outcomes": dict(total.outcomes.most_common()),
                "documents_rewritten_before": documents[0],
                "documents_deleted_before": documents[1],
            },
            indent=2,
        )
    )
    if total.differing:
        return DIFFERS
    return 0 if total.judged >= options.turns else 1


async def _all(folders: Sequence[Path], turns: int) -> tuple[Replayed, tuple[int, int]]:
    total, rewritten, deleted = Replayed(), 0, 0
    for folder in (None, *folders):
        left = turns - total.judged
        if left <= 0:
            break
        submissions, questions = _samples() if folder is None else _set(folder)
        found, documents = await run(submissions, questions, left, _say)
        total.add(found)
        rewritten, deleted = rewritten + documents[0], deleted + documents[1]
    return total, (rewritten, deleted)


def _samples() -> tuple[Sequence[Submission], Sequence[Asked]]:
    folder = REPOSITORY / "samples"
    questions = [Asked(each.question, each.groups) for each in read_questions(folder / "questions.jsonl")]
    return read_knowledge(folder / "knowledge"), questions


def _set(folder: Path) -> tuple[Sequence[Submission], Sequence[Asked]]:
    eval_set = read_set(folder)
    return to_corpus(eval_set.documents).submissions, [Asked(each.text) for each in eval_set.queries]


def _say(phase: str, done: int, total: int) -> None:
    if done and done % 100 == 0:
        print(f"{phase}: {done} of {total}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals.replays", description=__doc__)
    parser.add_argument("--turns", type=int, default=1000, help="how many turns at least")
    parser.add_argument("sets", type=Path, nargs="*", help="folders to take questions from, after samples/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
