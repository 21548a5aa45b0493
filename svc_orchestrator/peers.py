"""What a turn asks of retrieval and the evaluator. Whatever goes wrong there has one reason code each."""

import math
from collections.abc import Sequence

import grpc

from groundline.evaluation.v1 import evaluation_pb2, evaluation_pb2_grpc
from groundline.evaluation.v1 import reason_code_pb2 as rc
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2, retrieval_pb2_grpc
from meshkit.telemetry import get_logger

log = get_logger(__name__)

# What a failing peer, a deadline or a connection that broke looks like from here.
_FAILURES = (grpc.aio.AioRpcError, TimeoutError, OSError)


class StepFailed(Exception):
    """A step of the turn gave no usable result; `reason` is what the escalation will carry."""

    def __init__(self, reason: rc.ReasonCode.ValueType, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Retrieval:
    """Finds evidence for a customer."""

    def __init__(self, stub: retrieval_pb2_grpc.RetrievalServiceStub, *, timeout_s: float, evidence_count: int) -> None:
        self._stub = stub
        self._timeout_s = timeout_s
        self._evidence_count = evidence_count

    async def search(
        self, query: str, knowledge_base: str, groups: Sequence[str], session_id: str
    ) -> evidence_pb2.EvidencePack:
        """The pack for `query`, asked in a conversation. Raises StepFailed with RETRIEVAL_ERROR."""
        request = retrieval_pb2.SearchEvidenceRequest(
            query=query,
            knowledge_base=knowledge_base,
            groups=groups,
            top_k=self._evidence_count,
            session_id=session_id,
        )
        try:
            response = await self._stub.SearchEvidence(request, timeout=self._timeout_s)
        except _FAILURES as exc:
            raise StepFailed(rc.REASON_CODE_RETRIEVAL_ERROR, _describe(exc)) from exc
        if not response.evidence_pack.evidence_pack_id:
            raise StepFailed(rc.REASON_CODE_RETRIEVAL_ERROR, "no pack")
        return response.evidence_pack


class Gate:
    """Asks the evaluator, and believes only a verdict that makes sense."""

    def __init__(self, stub: evaluation_pb2_grpc.EvaluationServiceStub, *, timeout_s: float) -> None:
        self._stub = stub
        self._timeout_s = timeout_s

    async def judge(
        self,
        question: str,
        pack: evidence_pb2.EvidencePack,
        draft: evaluation_pb2.Draft | None,
        opinion: evaluation_pb2.SecondOpinion | None = None,
    ) -> evaluation_pb2.Verdict:
        """The verdict on a draft (with a second reader's opinion), or without one on whether the pack is worth one.

        Raises StepFailed with EVALUATOR_ERROR, also for an answer that can't be a verdict: fail closed.
        """
        request = evaluation_pb2.EvaluateRequest(
            question=question, evidence_pack=pack, draft=draft, second_opinion=opinion
        )
        try:
            response = await self._stub.Evaluate(request, timeout=self._timeout_s)
        except _FAILURES as exc:
            raise StepFailed(rc.REASON_CODE_EVALUATOR_ERROR, _describe(exc)) from exc
        problem = _implausible(response.verdict)
        if problem:
            raise StepFailed(rc.REASON_CODE_EVALUATOR_ERROR, problem)
        return response.verdict


def _implausible(verdict: evaluation_pb2.Verdict) -> str:
    """Why this can't be a verdict; "" if it can."""
    if verdict.decision not in (evaluation_pb2.DECISION_PASS, evaluation_pb2.DECISION_FAIL):
        return "unknown decision"
    if not 0.0 <= verdict.confidence <= 1.0:  # False for NaN as well.
        return "confidence out of range"
    if verdict.reason not in rc.ReasonCode.values():
        return "unknown reason"
    passed = verdict.decision == evaluation_pb2.DECISION_PASS
    if passed != (verdict.reason == rc.REASON_CODE_UNSPECIFIED):
        return "decision and reason contradict each other"
    if any(not math.isfinite(each.value) for each in verdict.signals):
        return "a signal is not a number"
    if passed and not all(each.ok for each in verdict.supports):
        return "passed with an unsupported claim"
    return ""


def _describe(exc: BaseException) -> str:
    # A status' message may quote what a customer wrote; its code never does.
    return exc.code().name if isinstance(exc, grpc.aio.AioRpcError) else type(exc).__name__
