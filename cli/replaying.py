"""Judging stored turns again: from the event alone, whatever happened to the documents since."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from groundline.evaluation.v1 import evaluation_pb2 as evaluation
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.orchestration.v1 import event_pb2 as orchestration_event
from groundline.orchestration.v1 import orchestration_service_pb2 as orchestration
from groundline.retrieval.v1.evidence_pb2 import EvidencePack

if TYPE_CHECKING:
    from cli.mesh import Mesh

# An event carries its whole pack: more at once would come near what one call may carry.
PAGE = 20
EXAMPLES = 5
PASS, TO_DRAFT = "PASS", "PASS_TO_DRAFT"
"""Outcomes beside the reasons; the second: the evidence would pass, and what became of a draft nobody knows."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A turn's verdict then and now; `drafted`: it is on a draft. `same` is bit for bit, by the deterministic
    serialisation."""

    event_id: str
    session_id: str
    question: str
    stored: evaluation.Verdict
    again: evaluation.Verdict
    drafted: bool
    pack: EvidencePack = field(default_factory=EvidencePack)

    @property
    def same(self) -> bool:
        return self.stored.SerializeToString(deterministic=True) == self.again.SerializeToString(deterministic=True)


@dataclass(slots=True)
class Flips:
    """What another policy would have changed. `counts` is by (outcome then, outcome now); `elsewhere` are turns of
    knowledge bases that the policy is not for."""

    judged: int = 0
    elsewhere: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[Replayed]] = field(default_factory=dict)

    def add(self, replayed: Replayed) -> None:
        """Counts a turn, and keeps the first few of each kind."""
        self.judged += 1
        now = outcome(replayed.again)
        change = (outcome(replayed.stored), TO_DRAFT if now == PASS and not replayed.drafted else now)
        if change[0] != change[1]:
            self.counts[change] += 1
            kept = self.examples.setdefault(change, [])
            if len(kept) < EXAMPLES:
                kept.append(replayed)


def outcome(verdict: evaluation.Verdict) -> str:
    """PASS, or the reason."""
    if verdict.decision == evaluation.DECISION_PASS:
        return PASS
    return rc.ReasonCode.Name(verdict.reason).removeprefix("REASON_CODE_")


def judged_by_the_gate(event: Any) -> bool:
    """Whether the turn has a verdict of the gate; a turn that failed before it, or needed none, hasn't."""
    return bool(event.turn.verdict.policy_version)


async def replay(mesh: Mesh, event: Any, policy: evaluation.Policy | None = None) -> Replayed:
    """Judges a turn again by the policy that it was judged by, or by another one.

    Another policy is asked in the same two steps as a turn is: the pack first, then the draft that there was. A second
    opinion on it is the stored one: its reader is not asked again.
    """
    turn = event.turn
    draft = turn.draft if turn.HasField("draft") else None
    question = turn.understanding.standalone_query
    request = evaluation.EvaluateRequest(question=question, evidence_pack=turn.evidence_pack, draft=draft)
    if turn.HasField("second_opinion"):
        request.second_opinion.CopyFrom(turn.second_opinion)
    if policy is None:
        request.policy_version = turn.verdict.policy_version
        verdict = (await mesh.evaluation.Evaluate(request)).verdict
    else:
        request.policy.CopyFrom(policy)
        first = evaluation.EvaluateRequest(question=question, evidence_pack=turn.evidence_pack, policy=policy)
        verdict = (await mesh.evaluation.Evaluate(first)).verdict
        if verdict.decision == evaluation.DECISION_PASS and draft is not None:
            verdict = (await mesh.evaluation.Evaluate(request)).verdict
    return Replayed(
        event.event_id, event.session_id, question, turn.verdict, verdict, draft is not None, turn.evidence_pack
    )


async def replay_all(mesh: Mesh, event: Any) -> list[Replayed]:
    """Judges a turn's verdicts again by the policies that they were given by: the last one, and, where a language model
    wrote a refused draft anew, before it the one on that."""
    if not event.turn.HasField("refused_attempt"):
        return [await replay(mesh, event)]
    turn = orchestration_event.Turn()
    turn.CopyFrom(event.turn)
    turn.ClearField("second_opinion")
    # Its draft, its verdict and its second opinion in the place of the last one's.
    turn.draft.CopyFrom(turn.refused_attempt.draft)
    turn.verdict.CopyFrom(turn.refused_attempt.verdict)
    if turn.refused_attempt.HasField("second_opinion"):
        turn.second_opinion.CopyFrom(turn.refused_attempt.second_opinion)
    first = orchestration_event.Event(event_id=event.event_id, session_id=event.session_id, turn=turn)
    return [await replay(mesh, first), await replay(mesh, event)]


async def turns(mesh: Mesh, since: datetime | None, limit: int) -> AsyncIterator[Any]:
    """At most `limit` turns with a verdict of the gate, oldest first."""
    request = orchestration.ListTurnsRequest(page_size=PAGE)
    if since is not None:
        request.since.FromDatetime(since)
    count = 0
    while True:
        page = await mesh.orchestration.ListTurns(request)
        for event in page.events:
            if judged_by_the_gate(event):
                yield event
                count += 1
                if count == limit:
                    return
        request.page_token = page.next_page_token
        if not request.page_token:
            return
