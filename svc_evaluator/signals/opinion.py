"""What a second reader made of the draft, as it was recorded before the draft was judged."""

from svc_evaluator.case import Case
from svc_evaluator.signals.finding import Finding


def second_opinion(case: Case) -> Finding:
    """How surely the reader finds the worst backed claim in what it cites, 0 to 1; 0 where it left one out."""
    if case.draft is None or case.opinion is None:
        return Finding(0.0)
    # Of two opinions on one claim the worse counts.
    said: dict[int, float] = {}
    for each in case.opinion.claims:
        agrees = each.entailment if each.entailment > each.contradiction else 0.0
        said[each.claim_index] = min(agrees, said.get(each.claim_index, 1.0))
    values = [said.get(index, 0.0) for index in range(len(case.draft.claims))]
    missing = sum(index not in said for index in range(len(case.draft.claims)))
    note = f"{case.opinion.model}: nothing said of {missing} claims" if missing else case.opinion.model
    return Finding(min(values, default=0.0), note)


def second_reading(case: Case) -> Finding:
    """How sure the reader is that the draft answers the question, 0 to 1."""
    if case.opinion is None:
        return Finding(0.0)
    return Finding(case.opinion.answers_question, case.opinion.model)
