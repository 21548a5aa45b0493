"""groundline.retrieval.v1.RetrievalService."""

from typing import Any

from groundline.options.v1 import access_pb2
from groundline.retrieval.v1 import retrieval_pb2 as pb
from groundline.retrieval.v1 import retrieval_pb2_grpc
from meshkit.call import current_principal
from meshkit.identity import PUBLIC_GROUP, Principal
from svc_retrieval.bases import DEFAULT_KNOWLEDGE_BASE
from svc_retrieval.evidence_cache import ConversationSearch
from svc_retrieval.pack import evidence_pack


class RetrievalServicer(retrieval_pb2_grpc.RetrievalServiceServicer):
    """Finds evidence."""

    def __init__(self, search: ConversationSearch) -> None:
        self._search = search

    async def SearchEvidence(self, request: pb.SearchEvidenceRequest, context: Any) -> pb.SearchEvidenceResponse:
        caller = current_principal()
        result = await self._search.run(
            request.query,
            knowledge_base=request.knowledge_base or DEFAULT_KNOWLEDGE_BASE,
            groups=asking_groups(caller, request.groups),
            top_k=request.top_k,
            asker=f"{caller.role_name}:{caller.subject}",
            session_id=request.session_id,
        )
        return pb.SearchEvidenceResponse(evidence_pack=evidence_pack(result))


def asking_groups(caller: Principal, named: Any) -> list[str]:
    """The groups that are searched for: a service speaks for those that it names, everyone else for themselves."""
    if caller.role == access_pb2.ROLE_SERVICE and named:
        return sorted({*named, PUBLIC_GROUP})
    return sorted(caller.groups)
