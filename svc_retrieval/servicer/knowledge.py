"""groundline.knowledge.v1.KnowledgeService."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from groundline.knowledge.v1 import knowledge_service_pb2 as pb
from groundline.knowledge.v1 import knowledge_service_pb2_grpc
from groundline.knowledge.v1 import reindex_pb2 as rx
from groundline.options.v1 import access_pb2
from meshkit.call import current_principal
from meshkit.errors import FieldViolation, InvalidRequest
from meshkit.identity import ROLE_GROUPS
from meshkit.paging import decode_token, encode_token, page_size
from svc_retrieval.audience import Audience
from svc_retrieval.bases import DEFAULT_KNOWLEDGE_BASE, KnowledgeBases
from svc_retrieval.cases import Cases
from svc_retrieval.documents import Documents
from svc_retrieval.properties import Submission
from svc_retrieval.reindexing import Reindexing
from svc_retrieval.store.cases import NewCase
from svc_retrieval.store.requests import Request
from svc_retrieval.translate import (
    CASE_STATE_NAMES,
    DOCUMENT_STATE_NAMES,
    base_to_proto,
    case_to_proto,
    document_to_proto,
    reindex_to_proto,
)


class KnowledgeServicer(knowledge_service_pb2_grpc.KnowledgeServiceServicer):
    """Knowledge in and out."""

    def __init__(self, documents: Documents, cases: Cases, bases: KnowledgeBases, reindexing: Reindexing) -> None:
        self._documents = documents
        self._cases = cases
        self._bases = bases
        self._reindexing = reindexing

    async def CreateDocument(self, request: pb.CreateDocumentRequest, context: Any) -> pb.CreateDocumentResponse:
        document, changed = await self._documents.create(_submission(request), _request("CreateDocument", request))
        return pb.CreateDocumentResponse(document=document_to_proto(document), changed=changed)

    async def GetDocument(self, request: pb.GetDocumentRequest, context: Any) -> pb.GetDocumentResponse:
        document = await self._documents.read(UUID(request.doc_id), Audience.of(current_principal()))
        return pb.GetDocumentResponse(document=document_to_proto(document))

    async def ListDocuments(self, request: pb.ListDocumentsRequest, context: Any) -> pb.ListDocumentsResponse:
        filters = ("documents", request.knowledge_base, request.state, request.uri)
        (after,) = decode_token(request.page_token, filters=filters, kinds=(UUID,)) or (None,)
        size = page_size(request.page_size)
        rows = await self._documents.page(
            Audience.of(current_principal()),
            knowledge_base=request.knowledge_base or None,
            state=DOCUMENT_STATE_NAMES.get(request.state),
            uri=request.uri or None,
            after=after,
            limit=size + 1,
        )
        return pb.ListDocumentsResponse(
            documents=[document_to_proto(row) for row in rows[:size]],
            next_page_token=encode_token((rows[size - 1].doc_id,), filters=filters) if len(rows) > size else "",
        )

    async def DeleteDocument(self, request: pb.DeleteDocumentRequest, context: Any) -> pb.DeleteDocumentResponse:
        await self._documents.delete(UUID(request.doc_id))
        return pb.DeleteDocumentResponse()

    async def CreateKnowledgeBase(
        self, request: pb.CreateKnowledgeBaseRequest, context: Any
    ) -> pb.CreateKnowledgeBaseResponse:
        base = await self._bases.create(request.name, request.display_name, _request("CreateKnowledgeBase", request))
        return pb.CreateKnowledgeBaseResponse(knowledge_base=base_to_proto(base))

    async def ListKnowledgeBases(
        self, request: pb.ListKnowledgeBasesRequest, context: Any
    ) -> pb.ListKnowledgeBasesResponse:
        filters = ("knowledge_bases",)
        (after,) = decode_token(request.page_token, filters=filters, kinds=(str,)) or (None,)
        size = page_size(request.page_size)
        rows = await self._bases.page(Audience.of(current_principal()), after=after, limit=size + 1)
        return pb.ListKnowledgeBasesResponse(
            knowledge_bases=[base_to_proto(row) for row in rows[:size]],
            next_page_token=encode_token((rows[size - 1].name,), filters=filters) if len(rows) > size else "",
        )

    async def RecordCase(self, request: pb.RecordCaseRequest, context: Any) -> pb.RecordCaseResponse:
        case = await self._cases.record(_new_case(request))
        return pb.RecordCaseResponse(case=case_to_proto(case))

    async def GetCase(self, request: pb.GetCaseRequest, context: Any) -> pb.GetCaseResponse:
        return pb.GetCaseResponse(case=case_to_proto(await self._cases.read(UUID(request.case_id))))

    async def ListCases(self, request: pb.ListCasesRequest, context: Any) -> pb.ListCasesResponse:
        ticket_id = UUID(request.ticket_id) if request.HasField("ticket_id") else None
        filters = ("cases", request.state, ticket_id)
        (before,) = decode_token(request.page_token, filters=filters, kinds=(UUID,)) or (None,)
        size = page_size(request.page_size)
        rows = await self._cases.page(
            state=CASE_STATE_NAMES.get(request.state), ticket_id=ticket_id, before=before, limit=size + 1
        )
        return pb.ListCasesResponse(
            cases=[case_to_proto(row) for row in rows[:size]],
            next_page_token=encode_token((rows[size - 1].case_id,), filters=filters) if len(rows) > size else "",
        )

    async def ApproveCase(self, request: pb.ApproveCaseRequest, context: Any) -> pb.ApproveCaseResponse:
        case = await self._cases.approve(UUID(request.case_id), current_principal().subject)
        return pb.ApproveCaseResponse(case=case_to_proto(case))

    async def RejectCase(self, request: pb.RejectCaseRequest, context: Any) -> pb.RejectCaseResponse:
        case = await self._cases.reject(UUID(request.case_id), current_principal().subject)
        return pb.RejectCaseResponse(case=case_to_proto(case))

    async def StartReindex(self, request: rx.StartReindexRequest, context: Any) -> rx.StartReindexResponse:
        base = request.knowledge_base or DEFAULT_KNOWLEDGE_BASE
        row = await self._reindexing.start(base, request.model, current_principal().subject)
        return rx.StartReindexResponse(reindex=reindex_to_proto(row))

    async def GetReindex(self, request: rx.GetReindexRequest, context: Any) -> rx.GetReindexResponse:
        row, servers = await self._reindexing.read(UUID(request.reindex_id))
        return rx.GetReindexResponse(reindex=reindex_to_proto(row, servers))

    async def ListReindexes(self, request: rx.ListReindexesRequest, context: Any) -> rx.ListReindexesResponse:
        filters = ("reindexes", request.knowledge_base)
        (before,) = decode_token(request.page_token, filters=filters, kinds=(UUID,)) or (None,)
        size = page_size(request.page_size)
        rows = await self._reindexing.page(knowledge_base=request.knowledge_base or None, before=before, limit=size + 1)
        return rx.ListReindexesResponse(
            reindexes=[reindex_to_proto(row) for row in rows[:size]],
            next_page_token=encode_token((rows[size - 1].reindex_id,), filters=filters) if len(rows) > size else "",
        )

    async def SwitchReindex(self, request: rx.SwitchReindexRequest, context: Any) -> rx.SwitchReindexResponse:
        row = await self._reindexing.switch(UUID(request.reindex_id))
        return rx.SwitchReindexResponse(reindex=reindex_to_proto(row))

    async def AbortReindex(self, request: rx.AbortReindexRequest, context: Any) -> rx.AbortReindexResponse:
        row = await self._reindexing.abort(UUID(request.reindex_id))
        return rx.AbortReindexResponse(reindex=reindex_to_proto(row))

    async def DropFormerVectors(
        self, request: rx.DropFormerVectorsRequest, context: Any
    ) -> rx.DropFormerVectorsResponse:
        former = await self._reindexing.drop_former(request.knowledge_base)
        return rx.DropFormerVectorsResponse(embedding_models=list(former), vector_count=sum(former.values()))


def _submission(request: pb.CreateDocumentRequest) -> Submission:
    return Submission(
        knowledge_base=request.knowledge_base or DEFAULT_KNOWLEDGE_BASE,
        uri=request.uri,
        media_type=request.media_type,
        content=request.content,
        title=request.title,
        acl=request.acl,
        source=request.source,
        updated_at=_moment("updated_at", request.updated_at) if request.HasField("updated_at") else None,
    )


def _moment(field: str, value: Timestamp) -> datetime:
    try:
        return value.ToDatetime(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest(violations=[FieldViolation(field, "must be a time of the years 1 to 9999")]) from exc


def _new_case(request: pb.RecordCaseRequest) -> NewCase:
    return NewCase(
        session_id=UUID(request.session_id),
        ticket_id=UUID(request.ticket_id),
        knowledge_base=request.knowledge_base,
        question=request.question,
        summary=request.summary,
        resolution=request.resolution,
        tags=list(request.tags),
        references=list(request.references),
        # Not public by omission: a case may rest on what few may read.
        acl=sorted(set(request.acl)) or sorted(ROLE_GROUPS[access_pb2.ROLE_AGENT]),
    )


def _request(method: str, request: Message) -> Request:
    """The request as its caller identified it; the digest tells a repeat from another request."""
    return Request(
        method=method,
        subject=current_principal().subject,
        request_id=request.request_id,  # type: ignore[attr-defined]
        sha256=hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
    )
