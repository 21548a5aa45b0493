"""What retrieval refuses, in the contract's words (groundline.knowledge.v1.ErrorReason)."""

from google.rpc import code_pb2

from groundline.knowledge.v1 import error_reason_pb2 as reasons
from meshkit.errors import DomainError


class DocumentNotFound(DomainError):
    """Also where the caller may not read it. Metadata: doc_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_DOCUMENT_NOT_FOUND, reasons.ErrorReason
    message = "There is no such document."


class KnowledgeBaseNotFound(DomainError):
    """Metadata: knowledge_base."""

    code, reason = code_pb2.NOT_FOUND, reasons.ERROR_REASON_KNOWLEDGE_BASE_NOT_FOUND
    reasons = reasons.ErrorReason
    message = "There is no knowledge base of that name."


class MediaTypeUnsupported(DomainError):
    """Metadata: media_type, supported."""

    code, reason = code_pb2.INVALID_ARGUMENT, reasons.ERROR_REASON_MEDIA_TYPE_UNSUPPORTED
    reasons = reasons.ErrorReason
    message = "Documents of this media type can't be read."


class CaseNotFound(DomainError):
    """Metadata: case_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_CASE_NOT_FOUND, reasons.ErrorReason
    message = "There is no such case."


class CaseStateInvalid(DomainError):
    """Metadata: case_id, state."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_CASE_STATE_INVALID
    reasons = reasons.ErrorReason
    message = "The case was rejected before."


class KnowledgeBaseExists(DomainError):
    """Metadata: knowledge_base."""

    code, reason = code_pb2.ALREADY_EXISTS, reasons.ERROR_REASON_KNOWLEDGE_BASE_EXISTS
    reasons = reasons.ErrorReason
    message = "There is a knowledge base of that name."


class EmbeddingModelUnusable(DomainError):
    """Metadata: model, detail."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_EMBEDDING_MODEL_UNUSABLE
    reasons = reasons.ErrorReason
    message = "The embedding model can't be used."


class EmbeddingModelInForce(DomainError):
    """Metadata: knowledge_base, model."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_EMBEDDING_MODEL_IN_FORCE
    reasons = reasons.ErrorReason
    message = "The knowledge base is searched with this embedding model already."


class ReindexUnderWay(DomainError):
    """Metadata: knowledge_base, reindex_id, model."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_REINDEX_UNDER_WAY
    reasons = reasons.ErrorReason
    message = "Another reindex of the knowledge base is not over."


class ReindexNotFound(DomainError):
    """Metadata: reindex_id."""

    code, reason, reasons = code_pb2.NOT_FOUND, reasons.ERROR_REASON_REINDEX_NOT_FOUND, reasons.ErrorReason
    message = "There is no such reindex."


class ReindexStateInvalid(DomainError):
    """Metadata: reindex_id, state."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_REINDEX_STATE_INVALID
    reasons = reasons.ErrorReason
    message = "The reindex is not in a state in which this can be done."


class EmbeddingModelNotServed(DomainError):
    """Metadata: reindex_id, model, replica_id, detail."""

    code, reason = code_pb2.FAILED_PRECONDITION, reasons.ERROR_REASON_EMBEDDING_MODEL_NOT_SERVED
    reasons = reasons.ErrorReason
    message = "A replica of retrieval can't search in the new embedding model, or has not said yet that it can."
