"""Every signal that the gate knows: how it is read, when it applies, and the reason it gives when it fails."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from groundline.evaluation.v1 import reason_code_pb2 as codes
from svc_evaluator.case import Case
from svc_evaluator.confidence import FEATURES
from svc_evaluator.signals.answerability import answerability, feature
from svc_evaluator.signals.asked import (
    asked_designation,
    asked_end,
    asked_name_in_place,
    asked_parts,
    stands_alone,
)
from svc_evaluator.signals.citations import citations_complete, draft_usable
from svc_evaluator.signals.conflict import conflict
from svc_evaluator.signals.coverage import answer_coverage, identifier_coverage, required_slots
from svc_evaluator.signals.finding import Finding
from svc_evaluator.signals.opinion import second_opinion, second_reading
from svc_evaluator.signals.readable import input_readable
from svc_evaluator.signals.restrictions import policy_restricted
from svc_evaluator.signals.staleness import product_version, stale
from svc_evaluator.signals.strength import evidence_count_above_min, record_match, retrieval_top_score
from svc_evaluator.signals.support import claim_support

PRECEDENCE = (
    codes.REASON_CODE_RETRIEVAL_ERROR,
    codes.REASON_CODE_LLM_ERROR,
    codes.REASON_CODE_EVALUATOR_ERROR,
    codes.REASON_CODE_TURN_FAILED,
    codes.REASON_CODE_CUSTOMER_REQUEST,
    codes.REASON_CODE_AGENT_TAKEOVER,
    codes.REASON_CODE_POLICY_RESTRICTED,
    codes.REASON_CODE_NO_EVIDENCE,
    codes.REASON_CODE_STALE_SOURCES,
    codes.REASON_CODE_CONFLICTING_SOURCES,
    codes.REASON_CODE_INSUFFICIENT_COVERAGE,
    codes.REASON_CODE_MISSING_CITATIONS,
    codes.REASON_CODE_UNSUPPORTED_CLAIM,
)
"""Which reason is given where several hold; as the contract says at ReasonCode."""


class Applies(enum.Flag):
    """To what a signal applies."""

    PACK = enum.auto()
    """To a question answered from documents and cases, when no draft is there yet."""
    DRAFT = enum.auto()
    """To a draft written from documents and cases."""
    RECORD = enum.auto()
    """To an approved record, offered or quoted word for word."""


_ALWAYS = Applies.PACK | Applies.DRAFT | Applies.RECORD
_EVIDENCE = Applies.PACK | Applies.DRAFT


@dataclass(frozen=True, slots=True)
class Kind:
    """A signal. `at_least`: its value must reach the policy's threshold; else it must not exceed it."""

    read: Callable[[Case], Finding]
    reason: codes.ReasonCode.ValueType
    applies: Applies
    at_least: bool = True

    def holds(self, value: float, threshold: float) -> bool:
        return value >= threshold if self.at_least else value <= threshold


CATALOGUE: Mapping[str, Kind] = {
    "input_readable": Kind(input_readable, codes.REASON_CODE_EVALUATOR_ERROR, _ALWAYS, at_least=False),
    "draft_usable": Kind(draft_usable, codes.REASON_CODE_LLM_ERROR, Applies.DRAFT),
    "policy_restricted": Kind(policy_restricted, codes.REASON_CODE_POLICY_RESTRICTED, _ALWAYS, at_least=False),
    "record_match": Kind(record_match, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.RECORD),
    "retrieval_top_score": Kind(retrieval_top_score, codes.REASON_CODE_NO_EVIDENCE, _EVIDENCE),
    "evidence_count_above_min": Kind(evidence_count_above_min, codes.REASON_CODE_NO_EVIDENCE, _EVIDENCE),
    "stale": Kind(stale, codes.REASON_CODE_STALE_SOURCES, _ALWAYS, at_least=False),
    "conflict": Kind(conflict, codes.REASON_CODE_CONFLICTING_SOURCES, _EVIDENCE, at_least=False),
    "product_version": Kind(product_version, codes.REASON_CODE_INSUFFICIENT_COVERAGE, _EVIDENCE),
    "identifier_coverage": Kind(identifier_coverage, codes.REASON_CODE_INSUFFICIENT_COVERAGE, _EVIDENCE),
    "required_slots": Kind(required_slots, codes.REASON_CODE_INSUFFICIENT_COVERAGE, _EVIDENCE),
    **{name: Kind(feature(name), codes.REASON_CODE_INSUFFICIENT_COVERAGE, _EVIDENCE) for name in FEATURES},
    "answer_coverage": Kind(answer_coverage, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.DRAFT),
    "asked_parts": Kind(asked_parts, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.DRAFT),
    "asked_end": Kind(asked_end, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.DRAFT),
    "asked_designation": Kind(asked_designation, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.DRAFT),
    "asked_name_in_place": Kind(asked_name_in_place, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.DRAFT),
    "stands_alone": Kind(stands_alone, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.DRAFT),
    "answerability": Kind(answerability, codes.REASON_CODE_INSUFFICIENT_COVERAGE, _EVIDENCE),
    "citations_complete": Kind(citations_complete, codes.REASON_CODE_MISSING_CITATIONS, Applies.DRAFT | Applies.RECORD),
    "claim_support": Kind(claim_support, codes.REASON_CODE_UNSUPPORTED_CLAIM, Applies.DRAFT | Applies.RECORD),
    "second_opinion": Kind(second_opinion, codes.REASON_CODE_UNSUPPORTED_CLAIM, Applies.DRAFT | Applies.RECORD),
    "second_reading": Kind(second_reading, codes.REASON_CODE_INSUFFICIENT_COVERAGE, Applies.DRAFT | Applies.RECORD),
}
"""By name. A policy sets a threshold for each of them but those of LATER, which it may leave out."""

OPINIONS: Mapping[str, float] = {"second_opinion": 0.5, "second_reading": 0.5}
"""What a second reader's opinion is held against where the policy does not say; only where there is an opinion."""

LATER = frozenset(("asked_parts", "asked_end", "asked_designation", "asked_name_in_place", "stands_alone", *OPINIONS))
"""Signals that came after the first policies. One that does not name them is judged as it always was."""

NEED_A_DRAFT = frozenset({"draft_usable", "answer_coverage", "citations_complete", "claim_support"}) | LATER
"""Signals that say nothing before a draft is there, whatever it is made from."""
