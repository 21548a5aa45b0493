"""A search's result as the contract's evidence pack."""

import hashlib

from groundline.retrieval.v1 import evidence_pb2 as pb
from svc_retrieval.folding import Folded, Why
from svc_retrieval.results import Found, Outcome, Reranked, Result

KINDS = {
    "page": pb.EVIDENCE_KIND_DOCUMENT,
    "case": pb.EVIDENCE_KIND_CASE,
    "approved_record": pb.EVIDENCE_KIND_APPROVED_RECORD,
}
FOLD_REASONS = {
    Why.NEAR_DUPLICATE: pb.FOLD_REASON_NEAR_DUPLICATE,
    Why.OTHER_VERSION: pb.FOLD_REASON_OTHER_VERSION,
}
RERANK_OUTCOMES = {
    Outcome.OK: pb.RERANK_OUTCOME_OK,
    Outcome.TIMEOUT: pb.RERANK_OUTCOME_TIMEOUT,
    Outcome.UNAVAILABLE: pb.RERANK_OUTCOME_UNAVAILABLE,
    Outcome.MALFORMED: pb.RERANK_OUTCOME_MALFORMED,
}
MAX_LEXEME_CHARS = 256
MAX_HEADINGS = 16
MAX_MODEL_CHARS = 256


def evidence_pack(result: Result) -> pb.EvidencePack:
    """The pack, complete with its diagnostics."""
    pack = pb.EvidencePack(
        evidence_pack_id=str(result.pack_id),
        query=result.query,
        evidence=[_evidence(each) for each in result.found],
        diagnostics=_diagnostics(result),
        knowledge_base=result.knowledge_base,
    )
    pack.retrieved_at.FromDatetime(result.retrieved_at)
    return pack


def _evidence(found: Found) -> pb.Evidence:
    passage, signals = found.passage, found.signals
    values = {
        "bm25": signals.bm25,
        "cosine": signals.cosine,
        "coverage": signals.coverage,
        "bigram": signals.bigram,
        "title_cosine": signals.title_cosine,
        "fused": found.fused,
    }
    evidence = pb.Evidence(
        chunk_id=str(passage.chunk_id),
        doc_id=str(passage.doc_id),
        doc_uri=passage.uri,
        title=passage.title,
        heading_path=passage.metadata.get("heading_path", ())[:MAX_HEADINGS],
        text=passage.text,
        text_sha256=hashlib.sha256(passage.text.encode()).hexdigest(),
        span_start=passage.metadata.get("span_start", 0),
        span_end=passage.metadata.get("span_end", 0),
        page=passage.metadata.get("page", 0),
        score=found.score,
        signals=[
            pb.SignalScore(name=name, score=value, rank=rank)
            for (name, value), rank in zip(values.items(), found.ranks, strict=True)
            if value is not None
        ],
        doc_version=passage.version,
        kind=KINDS[passage.kind],
        product_version=passage.product_version,
        acl=passage.acl,
        folded=map(_folded, found.folded),
    )
    evidence.doc_updated_at.FromDatetime(passage.updated_at)
    if found.rerank is not None:
        value, rank = found.rerank
        evidence.signals.add(name="rerank", score=value, rank=rank)
    if passage.superseded_by is not None:
        evidence.superseded_by_doc_id = str(passage.superseded_by)
    return evidence


def _folded(folded: Folded) -> pb.FoldedPassage:
    return pb.FoldedPassage(
        chunk_id=str(folded.chunk_id),
        doc_id=str(folded.doc_id),
        doc_uri=folded.uri,
        why=FOLD_REASONS[folded.why],
        score=folded.score,
    )


def _diagnostics(result: Result) -> pb.RetrievalDiagnostics:
    return pb.RetrievalDiagnostics(
        query=result.query,
        terms=[
            pb.QueryTerm(lexeme=term.stem[:MAX_LEXEME_CHARS], document_frequency=term.df, idf=term.idf)
            for term in result.terms
        ],
        legs=[
            pb.LegDiagnostics(
                name=leg.name, candidates=leg.candidates, top_score=leg.top_score, duration_ms=leg.duration_ms
            )
            for leg in result.legs
        ],
        corpus_chunks=result.corpus_chunks,
        config_id=result.config_id,
        embedding_model=result.embedding_model,
        embedding_ms=result.embedding_ms,
        total_ms=result.total_ms,
        folded=sum(len(each.folded) for each in result.found),
        cached=result.cached,
        rerank=_reranked(result.reranked) if result.reranked is not None else None,
        text_configuration=result.text_configuration,
    )


def _reranked(reranked: Reranked) -> pb.RerankDiagnostics:
    return pb.RerankDiagnostics(
        model=reranked.model[:MAX_MODEL_CHARS],
        passages=reranked.passages,
        duration_ms=reranked.duration_ms,
        outcome=RERANK_OUTCOMES[reranked.outcome],
    )
