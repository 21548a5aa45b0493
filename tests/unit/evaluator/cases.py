"""Small packs and drafts, as retrieval and the answerers make them."""

import hashlib
import math
import uuid

from groundline.evaluation.v1.evaluation_pb2 import Citation, Claim, Draft, Policy, Verdict
from groundline.retrieval.v1.evidence_pb2 import (
    EVIDENCE_KIND_APPROVED_RECORD,
    EVIDENCE_KIND_DOCUMENT,
    Evidence,
    EvidencePack,
)
from meshkit.text.words import words
from svc_evaluator.judgement import judge
from svc_evaluator.policy_files import SHIPPED, Policies

POLICY = Policies.from_folders(SHIPPED).get()
QUESTION = "How many widgets can an Acme 3 hold?"
TEXT = "An Acme 3 can hold up to 40 widgets. It ships with an empty tray."


def chunk_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def evidence(
    text: str = TEXT,
    *,
    name: str = "page",
    doc: str = "",
    title: str = "Widgets in an Acme 3",
    headings: tuple[str, ...] = (),
    score: float = 0.85,
    cosine: float = 0.8,
    version: str = "",
    superseded: bool = False,
    updated: str = "2026-01-01T00:00:00Z",
    record: bool = False,
) -> Evidence:
    found = Evidence(
        chunk_id=chunk_id(name),
        doc_id=chunk_id(doc or name),
        doc_uri=f"kb/{doc or name}.md",
        title=title,
        heading_path=headings,
        text=text,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        score=score,
        kind=EVIDENCE_KIND_APPROVED_RECORD if record else EVIDENCE_KIND_DOCUMENT,
        product_version=version,
    )
    found.signals.add(name="cosine", score=cosine, rank=1)
    found.doc_updated_at.FromJsonString(updated)
    if superseded:
        found.superseded_by_doc_id = chunk_id("newer")
    return found


def pack(*passages: Evidence, question: str = QUESTION, unknown: tuple[str, ...] = ()) -> EvidencePack:
    """A pack for `question`; `unknown` are words of it that no document has, and that weigh most."""
    found = EvidencePack(evidence_pack_id=chunk_id("pack"), query=question, evidence=passages, knowledge_base="default")
    found.retrieved_at.FromJsonString("2026-06-01T00:00:00Z")
    for stem in dict.fromkeys(each.stem for each in words(question) if not each.stop):
        found.diagnostics.terms.add(lexeme=stem, idf=6.0 if stem in unknown else 2.0, document_frequency=0)
    found.diagnostics.corpus_chunks = 100
    return found


def cite(passage: Evidence, quote: str) -> Citation:
    start = passage.text.index(quote)
    return Citation(chunk_id=passage.chunk_id, start=start, end=start + len(quote))


def draft(*claims: tuple[str, list[Citation]]) -> Draft:
    return Draft(claims=[Claim(text=text, citations=citations) for text, citations in claims], model="extractive-1")


def quoting(passage: Evidence, quote: str) -> Draft:
    """A draft of one claim that repeats what it cites."""
    return draft((quote, [cite(passage, quote)]))


def verdict(
    found: EvidencePack, written: Draft | None = None, *, question: str = "", policy: Policy = POLICY
) -> Verdict:
    return judge(question or found.query, found, written, policy)


def changed(**thresholds: float) -> Policy:
    """The shipped policy with other thresholds."""
    policy = Policy()
    policy.CopyFrom(POLICY)
    for each in policy.thresholds:
        each.threshold = thresholds.pop(each.name, each.threshold)
    for name, threshold in thresholds.items():
        policy.thresholds.add(name=name, threshold=threshold)
    assert all(math.isfinite(each.threshold) for each in policy.thresholds)
    return policy
