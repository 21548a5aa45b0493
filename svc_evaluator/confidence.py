"""The gate's confidence: a logistic over the signals that the policy gives a weight, read at the best passage."""

import math
from collections.abc import Callable, Mapping, Sequence

from meshkit.text.exact_names import stands_in
from svc_evaluator.case import Case, Passage


def evidence_score(_case: Case, passage: Passage) -> float:
    """The passage's fused score, 0 to 1."""
    return passage.score


def cosine(_case: Case, passage: Passage) -> float:
    """The passage's cosine to the question, −1 to 1."""
    return passage.cosine


def margin(case: Case, _passage: Passage) -> float:
    """By how much the best score in the pack beats the fifth: a question about nothing here finds many alike."""
    scores = sorted((each.score for each in case.passages), reverse=True)
    return scores[0] - scores[min(4, len(scores) - 1)] if scores else 0.0


def coverage(case: Case, passage: Passage) -> float:
    """The share of the question's weight that stands in the passage, its title and headings."""
    return case.coverage(passage.stems, passage.everything)


def sentence_coverage(case: Case, passage: Passage) -> float:
    """The share of the question's weight that stands in one sentence, read under its title and headings."""
    context, text = passage.context_stems, passage.everything
    return max((case.coverage(line.stems | context, text) for line in passage.lines), default=0.0)


def identifier_match(case: Case, passage: Passage) -> float:
    """1 if all exact names in the question stand in the title and headings, 0.6 if only in the text, else 0."""
    names = case.identifiers
    if not names or not all(passage.holds(each) for each in names):
        return 0.0
    return 1.0 if all(stands_in(each, passage.context) for each in names) else 0.6


FEATURES: Mapping[str, Callable[[Case, Passage], float]] = {
    "evidence_score": evidence_score,
    "top_cosine": cosine,
    "margin": margin,
    "coverage": coverage,
    "sentence_coverage": sentence_coverage,
    "identifier_match": identifier_match,
}
"""The signals that may bear a weight."""


def answerability_of(case: Case, passage: Passage) -> float:
    """How sure it is that the passage answers the question: 1 / (1 + e^−z), z the intercept and weighted signals."""
    weighted = [each.weight * FEATURES[each.name](case, passage) for each in case.policy.thresholds if each.weight]
    z = math.fsum((case.policy.intercept, *weighted))
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def best_of(case: Case, passages: Sequence[Passage]) -> tuple[float, Passage | None]:
    """The passage that answers best, and how surely; (0, None) where there is none."""
    judged = [(answerability_of(case, each), each) for each in passages]
    return max(judged, key=lambda each: (each[0], -each[1].rank), default=(0.0, None))
