"""Approved records come first: what the company has approved word for word, nobody words anew."""

from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_RECORD, Citation, Claim, Draft
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from svc_orchestrator.answering.answerer import Answerer
from svc_orchestrator.answering.reading import Reading

NAME = "record-1"
LEAST_MATCH = 0.58
"""How well a question must match a record's wordings; the gate's policy has the last word."""


class RecordsFirst:
    """Gives the record that matches the question, verbatim; asks `other` where none does."""

    def __init__(self, other: Answerer, *, least_match: float = LEAST_MATCH) -> None:
        self._other = other
        self._least_match = least_match

    @property
    def name(self) -> str:
        return self._other.name

    async def draft(self, question: str, pack: EvidencePack, *, deadline_s: float) -> Draft:
        """Raises what `other` raises."""
        record = record_draft(Reading(question, pack), self._least_match)
        return record or await self._other.draft(question, pack, deadline_s=deadline_s)


def record_draft(reading: Reading, least_match: float) -> Draft | None:
    """The record that was found best, as one claim that cites all of it; None if none is near enough."""
    record = reading.best_record(least_match)
    if record is None or not record.evidence.text.strip():
        return None
    text = record.evidence.text
    citation = Citation(chunk_id=record.evidence.chunk_id, start=0, end=len(text))
    return Draft(claims=[Claim(text=text.strip(), citations=[citation])], model=NAME, form=ANSWER_FORM_RECORD)
