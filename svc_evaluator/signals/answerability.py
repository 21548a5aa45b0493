"""Whether the best passage answers the question: its features, each a signal, and their logistic."""

from collections.abc import Callable

from svc_evaluator.case import Case
from svc_evaluator.confidence import FEATURES, best_of
from svc_evaluator.signals.finding import Finding


def feature(name: str) -> Callable[[Case], Finding]:
    """The signal that reads one feature at the best passage that the answer rests on; 0 where there is none."""
    read = FEATURES[name]

    def signal(case: Case) -> Finding:
        _, best = best_of(case, case.used)
        return Finding(read(case, best) if best is not None else 0.0)

    return signal


def answerability(case: Case) -> Finding:
    """How sure it is that the evidence answers the question, 0 to 1."""
    return Finding(best_of(case, case.used)[0])
