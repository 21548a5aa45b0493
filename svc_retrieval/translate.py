"""Rows into the contract's messages."""

from collections.abc import Mapping, Sequence

from groundline.knowledge.v1 import knowledge_pb2 as pb
from groundline.knowledge.v1 import reindex_pb2
from meshkit.text.languages import language_of
from svc_retrieval.properties import DEFAULT_LANGUAGE
from svc_retrieval.store.bases import BaseRow
from svc_retrieval.store.cases import CaseRow
from svc_retrieval.store.documents import DocumentRow
from svc_retrieval.store.models import ServerRow
from svc_retrieval.store.reindexes import ReindexRow

DOCUMENT_KINDS: Mapping[str, pb.DocumentKind.ValueType] = {
    "page": pb.DOCUMENT_KIND_PAGE,
    "approved_record": pb.DOCUMENT_KIND_APPROVED_RECORD,
    "case": pb.DOCUMENT_KIND_CASE,
}
DOCUMENT_STATES: Mapping[str, pb.DocumentState.ValueType] = {
    "pending": pb.DOCUMENT_STATE_PENDING,
    "indexed": pb.DOCUMENT_STATE_INDEXED,
    "failed": pb.DOCUMENT_STATE_FAILED,
    "deleted": pb.DOCUMENT_STATE_DELETED,
}
DOCUMENT_STATE_NAMES = {state: name for name, state in DOCUMENT_STATES.items()}
CASE_STATES: Mapping[str, pb.CaseState.ValueType] = {
    "pending_review": pb.CASE_STATE_PENDING_REVIEW,
    "approved": pb.CASE_STATE_APPROVED,
    "rejected": pb.CASE_STATE_REJECTED,
}
CASE_STATE_NAMES = {state: name for name, state in CASE_STATES.items()}

REINDEX_STATES: Mapping[str, reindex_pb2.ReindexState.ValueType] = {
    "running": reindex_pb2.REINDEX_STATE_RUNNING,
    "ready": reindex_pb2.REINDEX_STATE_READY,
    "switched": reindex_pb2.REINDEX_STATE_SWITCHED,
    "aborted": reindex_pb2.REINDEX_STATE_ABORTED,
    "failed": reindex_pb2.REINDEX_STATE_FAILED,
}


def document_to_proto(row: DocumentRow) -> pb.Document:
    """A document's properties."""
    content = row.content
    document = pb.Document(
        doc_id=str(row.doc_id),
        knowledge_base=row.knowledge_base,
        source=content.source,
        title=content.title,
        uri=row.uri,
        kind=DOCUMENT_KINDS[content.kind],
        acl=content.acl,
        version=row.version,
        state=DOCUMENT_STATES[row.state],
        language=_language(row),
        product_version=content.product_version,
        content_sha256=content.content_sha256,
        media_type=content.media_type,
        chunk_count=row.chunk_count,
        error=row.error,
        superseded_by_uri=row.superseded_by_uri,
    )
    document.updated_at.FromDatetime(content.updated_at)
    document.ingested_at.FromDatetime(row.ingested_at)
    return document


def _language(row: DocumentRow) -> str:
    # What states no language is stored under the default, and may have been recognised as another when it was indexed.
    recognised = language_of(row.configuration or "") if row.content.language == DEFAULT_LANGUAGE else ""
    return recognised or row.content.language


def case_to_proto(row: CaseRow) -> pb.Case:
    """A case."""
    case = pb.Case(
        case_id=str(row.case_id),
        session_id=str(row.session_id),
        ticket_id=str(row.ticket_id),
        knowledge_base=row.knowledge_base,
        question=row.question,
        summary=row.summary,
        resolution=row.resolution,
        tags=row.tags,
        references=row.references,
        acl=row.acl,
        state=CASE_STATES[row.state],
        reviewed_by=row.reviewed_by,
    )
    case.created_at.FromDatetime(row.created_at)
    if row.reviewed_at is not None:
        case.reviewed_at.FromDatetime(row.reviewed_at)
    if row.doc_id is not None:
        case.doc_id = str(row.doc_id)
    return case


def base_to_proto(row: BaseRow) -> pb.KnowledgeBase:
    """A knowledge base."""
    base = pb.KnowledgeBase(
        name=row.name,
        display_name=row.display_name,
        chunk_count=row.chunk_count,
        document_count=row.document_count,
        embedding_model=row.embedding_model,
    )
    base.created_at.FromDatetime(row.created_at)
    return base


def reindex_to_proto(row: ReindexRow, servers: Sequence[ServerRow] = ()) -> reindex_pb2.Reindex:
    """A reindex, and what replicas say of its model."""
    reindex = reindex_pb2.Reindex(
        reindex_id=str(row.reindex_id),
        knowledge_base=row.knowledge_base,
        embedding_model=row.embedding_model,
        model=row.spec,
        former_model=row.former_model,
        state=REINDEX_STATES[row.state],
        embedded_chunks=row.embedded_chunks,
        total_chunks=row.total_chunks,
        error=row.error,
        started_by=row.started_by,
        servers=[
            reindex_pb2.ModelServer(replica_id=str(each.replica_id), ready=each.ready, error=each.error)
            for each in servers
        ],
    )
    reindex.created_at.FromDatetime(row.created_at)
    reindex.updated_at.FromDatetime(row.updated_at)
    return reindex
