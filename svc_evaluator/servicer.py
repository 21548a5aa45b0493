"""The evaluator's RPCs."""

from typing import Any

from groundline.evaluation.v1 import evaluation_pb2 as pb
from groundline.evaluation.v1 import evaluation_pb2_grpc as pb_grpc
from svc_evaluator.judgement import judge
from svc_evaluator.policy_files import check_policy
from svc_evaluator.policy_shelf import PolicyShelf


class EvaluationServicer(pb_grpc.EvaluationServiceServicer):
    """Judges by the policies at hand."""

    def __init__(self, shelf: PolicyShelf) -> None:
        self._shelf = shelf

    async def Evaluate(self, request: pb.EvaluateRequest, context: Any) -> pb.EvaluateResponse:
        tried = check_policy(request.policy) if request.HasField("policy") else None
        base = request.evidence_pack.knowledge_base
        policy = tried or self._shelf.policies.get(request.policy_version, knowledge_base=base)
        draft = request.draft if request.HasField("draft") else None
        opinion = request.second_opinion if request.HasField("second_opinion") else None
        # A few milliseconds of pure computation: a thread would cost more than it gives back.
        return pb.EvaluateResponse(verdict=judge(request.question, request.evidence_pack, draft, policy, opinion))

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:
        policy = self._shelf.policies.get(request.policy_version, knowledge_base=request.knowledge_base)
        return pb.GetPolicyResponse(policy=policy)
