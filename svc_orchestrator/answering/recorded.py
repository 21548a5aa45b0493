"""Approved records come first: what the company has approved word for word, nobody words anew."""

from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_RECORD, Citation, Claim, Draft, Verdict
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from svc_orchestrator.answering.reading import Reading

NAME = "record-1"
SIGNAL = "record_match"


def record_draft(question: str, pack: EvidencePack, verdict: Verdict) -> Draft | None:
    """The record that was found best, as one claim that cites all of it; None if the gate did not say that one answers.

    `verdict` is the gate's on the pack: how well a question must match a record's wordings is its policy's to say.
    """
    least = next((each.threshold for each in verdict.signals if each.name == SIGNAL and each.ok), None)
    record = Reading(question, pack).best_record(least) if least is not None else None
    if record is None or not record.evidence.text.strip():
        return None
    text = record.evidence.text
    citation = Citation(chunk_id=record.evidence.chunk_id, start=0, end=len(text))
    return Draft(claims=[Claim(text=text.strip(), citations=[citation])], model=NAME, form=ANSWER_FORM_RECORD)
