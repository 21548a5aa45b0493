"""Packs as retrieval makes them, and an embedder that costs no model's time."""

import hashlib
import re
import uuid
from collections.abc import Sequence

import numpy as np

from groundline.evaluation.v1.evaluation_pb2 import Draft
from groundline.retrieval.v1.evidence_pb2 import (
    EVIDENCE_KIND_APPROVED_RECORD,
    EVIDENCE_KIND_DOCUMENT,
    Evidence,
    EvidencePack,
)
from meshkit.models.vectors import Vectors
from meshkit.text.words import words


class WordEmbedder:
    """Words as directions of their own: texts are as near as the words they share."""

    name, dimension = "words-64", 64

    async def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, hashlib.sha256(word.encode()).digest()[0] % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


def identity(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def evidence(
    text: str,
    *,
    name: str = "page",
    doc: str = "",
    title: str = "Page",
    headings: Sequence[str] = (),
    score: float = 0.8,
    cosine: float = 0.7,
    version: str = "",
    superseded: bool = False,
    record: bool = False,
    start: int = 0,
) -> Evidence:
    found = Evidence(
        chunk_id=identity(name),
        doc_id=identity(doc or name),
        title=title,
        heading_path=headings,
        text=text,
        score=score,
        kind=EVIDENCE_KIND_APPROVED_RECORD if record else EVIDENCE_KIND_DOCUMENT,
        product_version=version,
        span_start=start,
        span_end=start + len(text),
    )
    found.signals.add(name="cosine", score=cosine)
    if superseded:
        found.superseded_by_doc_id = identity("newer")
    return found


def pack(question: str, *passages: Evidence) -> EvidencePack:
    found = EvidencePack(query=question, evidence=passages)
    for stem in dict.fromkeys(each.stem for each in words(question) if not each.stop):
        found.diagnostics.terms.add(lexeme=stem, idf=2.0)
    return found


def quotes(draft: Draft, found: EvidencePack) -> list[list[str]]:
    """What each claim cites, and that it is there."""
    texts = {each.chunk_id: each.text for each in found.evidence}
    assert all(
        0 <= citation.start < citation.end <= len(texts[citation.chunk_id])
        for claim in draft.claims
        for citation in claim.citations
    )
    return [[texts[each.chunk_id][each.start : each.end] for each in claim.citations] for claim in draft.claims]
