"""Whether every claim of the draft points at evidence that is there."""

import hashlib

from groundline.evaluation.v1.evaluation_pb2 import Claim
from svc_evaluator.case import Case, Passage
from svc_evaluator.signals.finding import Finding


def draft_usable(case: Case) -> Finding:
    """1 if the draft says something, and has no claim without a word; else the model gave nothing usable."""
    claims = case.draft.claims if case.draft is not None else ()
    blank = sum(not each.text.strip() for each in claims)
    if not claims or blank:
        return Finding(0.0, f"{len(claims)} claims, {blank} of them blank")
    return Finding(1.0)


def citations_complete(case: Case) -> Finding:
    """The share of claims with a citation, and none that points at nothing or at text that was changed."""
    claims = case.draft.claims if case.draft is not None else ()
    complete = sum(_is_complete(case, each) for each in claims)
    missing = len(claims) - complete
    return Finding(
        complete / len(claims) if claims else 0.0, f"{missing} claims without a sound citation" if missing else ""
    )


def _is_complete(case: Case, claim: Claim) -> bool:
    spans = case.spans(claim)
    return bool(spans) and len(spans) == len(claim.citations) and all(_is_as_found(each) for each, _, _ in spans)


def _is_as_found(passage: Passage) -> bool:
    return hashlib.sha256(passage.evidence.text.encode()).hexdigest() == passage.evidence.text_sha256
