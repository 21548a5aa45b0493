"""The decision: every signal that applies, held against the policy; the first reason by precedence."""

import math
from collections.abc import Iterator

from groundline.evaluation.v1 import reason_code_pb2 as codes
from groundline.evaluation.v1.evaluation_pb2 import (
    DECISION_FAIL,
    DECISION_PASS,
    Draft,
    Policy,
    SecondOpinion,
    Signal,
    Verdict,
)
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from svc_evaluator.case import Case
from svc_evaluator.catalogue import CATALOGUE, NEED_A_DRAFT, OPINIONS, PRECEDENCE, Applies, Kind
from svc_evaluator.clarification import clarification
from svc_evaluator.confidence import best_of
from svc_evaluator.signals.conflict import conflicts
from svc_evaluator.signals.support import supports

# Digits that are kept of what is computed: more would be noise to a reader, and fewer could hide a difference.
_DIGITS = 6


def judge(
    question: str, pack: EvidencePack, draft: Draft | None, policy: Policy, opinion: SecondOpinion | None = None
) -> Verdict:
    """Judges a draft, or, without one, whether one may be written. The same arguments give the same bytes.

    `opinion` is what a second reader made of the draft: it adds signals, and so can only make a PASS a FAIL.
    """
    case = Case(question, pack, draft, policy, opinion if draft is not None else None)
    unreadable = _signal(case, CATALOGUE["input_readable"], "input_readable")
    if not unreadable.ok:
        # Nothing else can be trusted, or even computed.
        return Verdict(
            decision=DECISION_FAIL,
            reason=codes.REASON_CODE_EVALUATOR_ERROR,
            signals=[unreadable],
            policy_version=policy.version,
        )
    signals = list(_signals(case))
    reason = _first_reason(signals)
    failed = [(each.name, _reason_of(each)) for each in signals if not each.ok]
    return Verdict(
        decision=DECISION_PASS if reason == codes.REASON_CODE_UNSPECIFIED else DECISION_FAIL,
        reason=reason,
        confidence=_confidence(case),
        signals=signals,
        supports=supports(case),
        policy_version=policy.version,
        conflicts=[each.to_proto() for each in conflicts(case)] if case.record is None else [],
        clarification=clarification(case, failed),
    )


def _signals(case: Case) -> Iterator[Signal]:
    """What applies to the case, in the policy's order."""
    applies = _applying(case)
    for each in case.policy.thresholds:
        kind = CATALOGUE[each.name]
        given = case.draft is not None or each.name not in NEED_A_DRAFT
        if applies in kind.applies and given and each.name not in OPINIONS:
            yield _signal(case, kind, each.name)
    if case.opinion is not None:
        yield _signal(case, CATALOGUE["second_opinion"], "second_opinion")
        if case.opinion.HasField("answers_question"):
            yield _signal(case, CATALOGUE["second_reading"], "second_reading")


def _applying(case: Case) -> Applies:
    if case.record is not None:
        return Applies.RECORD
    return Applies.PACK if case.draft is None else Applies.DRAFT


def _signal(case: Case, kind: Kind, name: str) -> Signal:
    # A policy that was written before there were second opinions is no reason to disregard one.
    found, threshold = kind.read(case), case.thresholds.get(name, OPINIONS.get(name, math.inf))
    value = round(found.value, _DIGITS)
    if not math.isfinite(value):
        # No input is one of these, so this is a fault of the gate's own; and a fault never passes.
        return Signal(name=name, threshold=threshold, ok=False, note="not a number")
    return Signal(name=name, value=value, threshold=threshold, ok=kind.holds(value, threshold), note=found.note)


def _first_reason(signals: list[Signal]) -> codes.ReasonCode.ValueType:
    failed = {_reason_of(each) for each in signals if not each.ok}
    return next((each for each in PRECEDENCE if each in failed), codes.REASON_CODE_UNSPECIFIED)


def _reason_of(failed: Signal) -> codes.ReasonCode.ValueType:
    return codes.REASON_CODE_EVALUATOR_ERROR if failed.note == "not a number" else CATALOGUE[failed.name].reason


def _confidence(case: Case) -> float:
    value = case.record.record_match if case.record is not None else best_of(case, case.used)[0]
    return round(min(max(value, 0.0), 1.0), _DIGITS)
