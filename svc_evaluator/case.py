"""One case for the gate: question, pack, draft and policy, read once for all signals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.timestamp_pb2 import Timestamp

from groundline.evaluation.v1.evaluation_pb2 import Claim, Draft, Policy, SecondOpinion
from groundline.retrieval.v1.evidence_pb2 import EVIDENCE_KIND_APPROVED_RECORD, Evidence, EvidencePack
from meshkit.text.blocks import BlockKind
from meshkit.text.exact_names import compared_in, exact_names, is_version, stands_in
from meshkit.text.languages import stemmer_of
from meshkit.text.sentences import sentences
from meshkit.text.versions import matches, named_versions, numbered_names, versioned_names
from meshkit.text.words import words
from svc_evaluator.statements import Statement, same_wording, state
from svc_evaluator.versions import is_for, version_of, versioned

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the question as the index knows it, with its weight (BM25's idf, > 0)."""

    lexeme: str
    idf: float


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, heading or table row of a passage, and what it states. `header` gives a row its meaning; `stated` is
    False for headings and code, which state nothing."""

    start: int
    end: int
    text: str
    stems: frozenset[str]
    row: bool = False
    header: str = ""
    stated: bool = True

    @property
    def statement(self) -> Statement:
        return state(self.text)


class Passage:
    """A piece of evidence with what is read from it. Reading is done when it is first asked for."""

    def __init__(self, evidence: Evidence, rank: int, stemmer: str = "english") -> None:
        self.evidence = evidence
        self.rank = rank
        self._stemmer = stemmer
        self.signals = {each.name: each.score for each in evidence.signals}

    @property
    def score(self) -> float:
        """The fused score, 0 to 1."""
        return self.evidence.score

    @property
    def cosine(self) -> float:
        """The cosine to the question; 0 where the vector leg did not see the passage."""
        return self.signals.get("cosine", 0.0)

    @property
    def record_match(self) -> float:
        """How well an approved record's wordings match the question: half by meaning, half by all that search knows."""
        return (self.cosine + self.score) / 2

    @property
    def is_record(self) -> bool:
        return self.evidence.kind == EVIDENCE_KIND_APPROVED_RECORD

    @property
    def superseded(self) -> bool:
        return self.evidence.HasField("superseded_by_doc_id")

    @cached_property
    def context(self) -> str:
        """Title and headings, a line each."""
        return "\n".join((self.evidence.title, *self.evidence.heading_path))

    @cached_property
    def context_stems(self) -> frozenset[str]:
        return _stems(self.context, self._stemmer)

    @cached_property
    def stems(self) -> frozenset[str]:
        """All stems of text, title and headings."""
        return _stems(self.evidence.text, self._stemmer) | self.context_stems

    @cached_property
    def everything(self) -> str:
        """Text, title, headings, version and address: where an identifier may stand."""
        return "\n".join((self.context, self.evidence.text, version_of(self.evidence), self.evidence.doc_uri))

    @cached_property
    def lines(self) -> list[Line]:
        text, header, found = self.evidence.text, "", list[Line]()
        for each in sentences(text):
            written = text[each.start : each.end]
            row = each.block.kind is BlockKind.ROW
            if row and each.block.header:
                header = written
            found.append(
                Line(
                    each.start,
                    each.end,
                    written,
                    _stems(written, self._stemmer),
                    row and not each.block.header,
                    header if row else "",
                    each.block.kind not in (BlockKind.CODE, BlockKind.HEADING),
                )
            )
        return found

    def between(self, start: int, end: int) -> list[Line]:
        """The lines that the span from `start` to `end` touches."""
        return [each for each in self.lines if each.start < end and start < each.end]

    def holds(self, identifier: str) -> bool:
        """Whether an exact name stands in it, or, for a version, a range that it can be held against."""
        if stands_in(identifier, self.everything):
            return True
        if not is_version(identifier):
            return False
        own = version_of(self.evidence)
        return compared_in(identifier, self.evidence.text) or (
            "." in own and matches(identifier.lower().strip("v"), own)
        )


@dataclass(frozen=True)
class Case:
    """What is judged. Immutable; all that is derived is derived once."""

    question: str
    pack: EvidencePack
    draft: Draft | None
    policy: Policy
    opinion: SecondOpinion | None = None

    @cached_property
    def thresholds(self) -> dict[str, float]:
        return {each.name: each.threshold for each in self.policy.thresholds}

    @cached_property
    def passages(self) -> list[Passage]:
        """The pack's passages, best first."""
        stemmer = stemmer_of(self.pack.diagnostics.text_configuration)
        return [Passage(each, rank, stemmer) for rank, each in enumerate(self.pack.evidence)]

    @cached_property
    def by_id(self) -> dict[str, Passage]:
        return {each.evidence.chunk_id: each for each in reversed(self.passages)}

    @cached_property
    def terms(self) -> list[Term]:
        """The question's words with their weight; from the search's diagnostics, else all alike."""
        known = [Term(each.lexeme, each.idf) for each in self.pack.diagnostics.terms if each.idf > 0]
        if known:
            return known
        stems = dict.fromkeys(each.stem for each in words(self.question) if not each.stop)
        return [Term(stem, 1.0) for stem in stems]

    @cached_property
    def named_versions(self) -> frozenset[str]:
        return named_versions(self.question, versioned(self.pack.evidence))

    @cached_property
    def versioned_names(self) -> frozenset[str]:
        """The words that carry a version in this pack: the products' names."""
        return versioned_names(versioned(self.pack.evidence))

    @cached_property
    def numbered_names(self) -> Mapping[str, frozenset[str]]:
        """Names with a number that the question says, as the pack writes them."""
        return numbered_names(self.question, (each.everything for each in self.passages))

    @cached_property
    def identifiers(self) -> list[str]:
        return exact_names(self.question)

    def is_stale(self, passage: Passage) -> bool:
        """Superseded, or older than the policy allows. Without the dates that the policy needs: stale."""
        if passage.superseded:
            return True
        days = self.policy.stale_after_days
        if days <= 0 or passage.is_record:
            return False
        if not (passage.evidence.HasField("doc_updated_at") and self.pack.HasField("retrieved_at")):
            return True
        return _seconds(self.pack.retrieved_at) - _seconds(passage.evidence.doc_updated_at) > days * _DAY_S

    @cached_property
    def usable(self) -> list[Passage]:
        """Documents and cases that are current and for a version that the question names."""
        return [
            each
            for each in self.passages
            if not each.is_record and not self.is_stale(each) and is_for(each.evidence, self.named_versions)
        ]

    @cached_property
    def cited(self) -> list[Passage]:
        """The pack's passages that the draft cites, in the pack's order; empty without a draft."""
        if self.draft is None:
            return []
        ids = {citation.chunk_id for claim in self.draft.claims for citation in claim.citations}
        return [each for each in self.passages if each.evidence.chunk_id in ids]

    @property
    def used(self) -> list[Passage]:
        """What the answer rests on: the cited passages, or, without a draft, those that one may be written from."""
        return self.usable if self.draft is None else self.cited

    def spans(self, claim: Claim) -> list[tuple[Passage, int, int]]:
        """The claim's citations that point at something: a passage of the pack, and a span inside its text."""
        found = []
        for each in claim.citations:
            passage = self.by_id.get(each.chunk_id)
            if passage is not None and 0 <= each.start < each.end <= len(passage.evidence.text):
                found.append((passage, each.start, each.end))
        return found

    @cached_property
    def best_record(self) -> Passage | None:
        """The current approved record that was found best, of those near enough to the question if there are any."""
        records = [each for each in self.passages if each.is_record and not each.superseded]
        near = [each for each in records if each.record_match >= self.thresholds["record_match"]]
        return max(near or records, key=lambda each: (each.score, -each.rank), default=None)

    @cached_property
    def record(self) -> Passage | None:
        """The record that answers: the one quoted word for word, or, without a draft, the nearest if near enough."""
        if self.draft is None:
            best = self.best_record
            return best if best is not None and best.record_match >= self.thresholds["record_match"] else None
        if len(self.draft.claims) != 1 or len(self.cited) != 1 or not self.cited[0].is_record:
            return None
        passage = self.cited[0]
        verbatim = same_wording(self.draft.claims[0].text, passage.evidence.text)
        return passage if verbatim else None

    def coverage(self, stems: frozenset[str], text: str = "") -> float:
        """The share of the question's weight that is found among `stems` (or, with punctuation in it, in `text`)."""
        total = math.fsum(each.idf for each in self.terms)
        if not total:
            return 0.0
        return math.fsum(each.idf for each in self.terms if _has(each.lexeme, stems, text)) / total


def _has(lexeme: str, stems: frozenset[str], text: str) -> bool:
    # `id:` marks an identifier that the index holds whole.
    lexeme = lexeme.removeprefix("id:")
    return lexeme in stems or (not lexeme.isalpha() and bool(text) and stands_in(lexeme, text))


def _stems(text: str, stemmer: str) -> frozenset[str]:
    return frozenset(each.stem for each in words(text, stemmer))


def _seconds(at: Timestamp) -> int:
    return at.seconds
