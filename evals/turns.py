"""A turn as the orchestrator takes it: understanding, search, gate, draft, gate; without conversation or ticket."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from evals.desk import Desk, first
from groundline.evaluation.v1 import evaluation_pb2, evaluation_pb2_grpc
from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2, retrieval_pb2_grpc
from meshkit.ids import new_id
from svc_evaluator.judgement import judge
from svc_evaluator.policy_files import SHIPPED, Policies
from svc_orchestrator.answering import Answerer, ExtractiveAnswerer, to_text
from svc_orchestrator.peers import Gate, Retrieval
from svc_orchestrator.progress import Progress
from svc_orchestrator.settings import OrchestratorSettings
from svc_orchestrator.store import MessageRow, SessionRow
from svc_orchestrator.turn import TurnTaker
from svc_retrieval.pack import evidence_pack
from svc_retrieval.results import Result

# One process does what four would: the deadlines of a mesh would count its queue, not its work.
_PATIENCE_S = 120.0
_PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of a question. `answer` is "" and `reason` set where it was refused; a fixed notice has neither.

    `confidence` is the gate's before any draft, for it has one for every question; `cited` are uris.
    """

    answer: str
    reason: str
    confidence: float
    cited: tuple[str, ...]
    evidence: tuple[str, ...]
    draft: evaluation_pb2.Draft | None
    verdict: evaluation_pb2.Verdict
    pack: evidence_pb2.EvidencePack

    @property
    def answered(self) -> bool:
        return bool(self.answer)


class Turns:
    """Takes turns at a desk, with the policy in force and the extractive answerer."""

    def __init__(self, desk: Desk, answerer: Answerer | None = None, policy_version: str = "") -> None:
        self._desk = desk
        self._answerer = answerer or ExtractiveAnswerer(desk.embedder)
        self.policy = Policies.from_folders(SHIPPED, in_force=policy_version).get()
        self.evidence_count = int(OrchestratorSettings.model_fields["evidence_count"].default)

    @property
    def config_ids(self) -> dict[str, str]:
        """What decides an answer, beside the documents and the search."""
        return {"policy": self.policy.version, "answerer": self._answerer.name}

    async def take(
        self, question: str, *, groups: Sequence[str] = (), earlier: Sequence[str] = (), found: Result | None = None
    ) -> Turn:
        """The turn for `question` by somebody in `groups`; `found` is its search, if that was done before."""
        peers = _Peers(self._desk, self.policy, found)
        taker = self._taker(peers)
        before = [_message(each, index + 1) for index, each in enumerate(earlier)]
        result = await taker.take(_session(groups), [_message(question, len(before) + 1)], before)
        draft = result.draft
        return Turn(
            answer="" if draft is None else to_text(draft)[0],
            reason=codes.ReasonCode.Name(result.reason).removeprefix("REASON_CODE_") if result.reason else "",
            confidence=peers.verdicts[0].confidence if peers.verdicts else 0.0,
            cited=() if draft is None else _cited(draft, result.record.evidence_pack),
            evidence=tuple(each.doc_uri for each in result.record.evidence_pack.evidence),
            draft=draft,
            verdict=result.record.verdict,
            pack=result.record.evidence_pack,
        )

    def taker(self) -> TurnTaker:
        """What an orchestrator takes its turns with, over this desk."""
        return self._taker(_Peers(self._desk, self.policy, None))

    def _taker(self, peers: "_Peers") -> TurnTaker:
        # The clients check what they are given, as they do in the mesh; only the wire is missing.
        return TurnTaker(
            Retrieval(
                cast(retrieval_pb2_grpc.RetrievalServiceStub, peers),
                timeout_s=_PATIENCE_S,
                evidence_count=self.evidence_count,
            ),
            Gate(cast(evaluation_pb2_grpc.EvaluationServiceStub, peers), timeout_s=_PATIENCE_S),
            self._answerer,
            Progress(),
            draft_timeout_s=_PATIENCE_S,
        )


@dataclass
class _Peers:
    """Retrieval and evaluator, in this process."""

    desk: Desk
    policy: evaluation_pb2.Policy
    found: Result | None
    verdicts: list[evaluation_pb2.Verdict] = field(default_factory=list)

    async def SearchEvidence(
        self, request: retrieval_pb2.SearchEvidenceRequest, **_: Any
    ) -> retrieval_pb2.SearchEvidenceResponse:
        result = self.found or await self.desk.search(request.query, tuple(request.groups))
        pack = evidence_pack(first(result, request.top_k))
        return retrieval_pb2.SearchEvidenceResponse(evidence_pack=pack)

    async def Evaluate(self, request: evaluation_pb2.EvaluateRequest, **_: Any) -> evaluation_pb2.EvaluateResponse:
        draft = request.draft if request.HasField("draft") else None
        verdict = judge(request.question, request.evidence_pack, draft, self.policy)
        self.verdicts.append(verdict)
        return evaluation_pb2.EvaluateResponse(verdict=verdict)


def _session(groups: Sequence[str]) -> SessionRow:
    return SessionRow(
        session_id=new_id(),
        channel="evals",
        customer_id=None,
        customer_groups=[each for each in groups if each != _PUBLIC],
        knowledge_base="",
        status="open",
        ticket_id=None,
        escalation_reason=None,
        escalation_event_id=None,
        summary_current="",
        context_after_sequence=0,
    )


def _message(text: str, sequence: int) -> MessageRow:
    return MessageRow(new_id(), sequence, "customer", text, datetime.now(UTC))


def _cited(draft: evaluation_pb2.Draft, pack: evidence_pb2.EvidencePack) -> tuple[str, ...]:
    uris = {each.chunk_id: each.doc_uri for each in pack.evidence}
    cited = [uris.get(citation.chunk_id, "") for claim in draft.claims for citation in claim.citations]
    return tuple(dict.fromkeys(cited))
