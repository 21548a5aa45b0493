"""Whether the gate's confidence means what it says: with a question's page found, without it, and near misses."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np

from evals import metrics
from evals.desk import first
from evals.turns import Turns
from groundline.evaluation.v1.evaluation_pb2 import DECISION_PASS
from svc_evaluator.judgement import judge
from svc_retrieval.pack import evidence_pack
from svc_retrieval.results import Result

BINS = 5
SUREST = (10, 30, 50, 100)
"""Of the questions, surest first, in percent."""


class Kind(StrEnum):
    """What the pack holds."""

    PRESENT = "present"
    REMOVED = "removed"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class Case:
    """What the gate made of a pack before any draft. `passed`: one would be written."""

    kind: Kind
    confidence: float
    passed: bool


@dataclass
class ConfidenceFigures:
    """What was counted so far."""

    cases: list[Case] = field(default_factory=list)

    def count(
        self, result: Result, turns: Turns, *, answerable: bool, gains: Mapping[str, float], doc_ids: Mapping[str, str]
    ) -> None:
        """Counts a search. An answerable question counts with its page, where that is in the pack, and as if neither
        the judged pages nor what stands for them were there; another one counts as a near miss."""
        if not answerable:
            self._judge(Kind.NEAR, result, turns)
            return
        if not gains:
            return
        relevant = [
            any(doc_ids[uri] in gains for uri in (each.passage.uri, *(copy.uri for copy in each.folded)))
            for each in result.found
        ]
        if any(relevant[: turns.evidence_count]):
            self._judge(Kind.PRESENT, result, turns)
        left = [each for each, is_relevant in zip(result.found, relevant, strict=True) if not is_relevant]
        self._judge(Kind.REMOVED, replace(result, found=left), turns)

    def _judge(self, kind: Kind, result: Result, turns: Turns) -> None:
        verdict = judge(result.query, evidence_pack(first(result, turns.evidence_count)), None, turns.policy)
        self.cases.append(Case(kind, verdict.confidence, verdict.decision == DECISION_PASS))

    def figures(self) -> dict[str, Any]:
        """AUROC of the confidence, its expected calibration error, and who gets a draft."""
        sure = {kind: [each.confidence for each in self.cases if each.kind is kind] for kind in Kind}
        passed = {kind: [each.passed for each in self.cases if each.kind is kind] for kind in Kind}
        return {
            "auroc_removed": metrics.auroc_figure(sure[Kind.PRESENT], sure[Kind.REMOVED]),
            "auroc_near": metrics.auroc_figure(sure[Kind.PRESENT], sure[Kind.NEAR]),
            "ece": self._ece(),
            "wrong_among_surest": self._wrong_among_surest(),
            "passed": {kind.value: metrics.share(sum(each), len(each)) for kind, each in passed.items()},
        }

    def _ece(self) -> float:
        """The mean distance of confidence and share answerable, over bins of equal width, by their size."""
        sure = np.array([each.confidence for each in self.cases])
        right = np.array([each.kind is Kind.PRESENT for each in self.cases], dtype=np.float64)
        place = np.minimum((sure * BINS).astype(int), BINS - 1)
        bins = (place == number for number in range(BINS))
        return float(sum(abs(sure[each].sum() - right[each].sum()) for each in bins if each.any()) / len(sure))

    def _wrong_among_surest(self) -> dict[str, float]:
        right = [each.kind is Kind.PRESENT for each in self.cases]
        risks = metrics.risk_coverage([each.confidence for each in self.cases], right)
        return {str(percent): risks[max(1, round(len(risks) * percent / 100)) - 1][1] for percent in SUREST}
