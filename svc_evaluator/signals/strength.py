"""How strongly the search found anything at all."""

from svc_evaluator.case import Case
from svc_evaluator.signals.finding import Finding


def retrieval_top_score(case: Case) -> Finding:
    """The best fused score in the pack, 0 to 1."""
    return Finding(max((each.score for each in case.passages), default=0.0))


def evidence_count_above_min(case: Case) -> Finding:
    """How many passages have at least the fused score that the policy asks of the best one."""
    least = case.thresholds["retrieval_top_score"]
    return Finding(float(sum(each.score >= least for each in case.passages)))


def record_match(case: Case) -> Finding:
    """How well the question matches the wordings that the record is approved for, 0 to 1."""
    best = case.record or case.best_record
    return Finding(best.record_match if best else 0.0, "the approved record answers" if case.record else "")
