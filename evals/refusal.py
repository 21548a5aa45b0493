"""How well the gate tells questions that may be answered from those that may not."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evals import metrics
from evals.metrics import Figure
from evals.sets import Query
from evals.turns import Turn

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Judged:
    """A question with what became of it. `right`: it was answered, could be, and a relevant page was cited."""

    query: Query
    turn: Turn
    right: bool


@dataclass
class RefusalFigures:
    """What was counted so far, over questions of which the set says whether they can be answered."""

    cases: list[Judged] = field(default_factory=list)
    gold: list[float] = field(default_factory=list)
    contained: list[float] = field(default_factory=list)

    def count(
        self, query: Query, turn: Turn, cited: Collection[str], gains: Mapping[str, float], answers: Sequence[str]
    ) -> None:
        """Counts one turn, whose answer cites the pages `cited`."""
        relevant = not gains or any(page in gains for page in cited)
        self.cases.append(Judged(query, turn, turn.answered and query.answerable is True and relevant))
        if turn.answered and query.answerable and answers:
            self.gold.append(gold_recall(turn.answer, answers))
            self.contained.append(float(contains(turn.answer, answers)))

    def figures(self) -> dict[str, Figure]:
        """AUROC of the gate's confidence, precision and recall of refusing, and over-refusal."""
        answerable = [each for each in self.cases if each.query.answerable]
        unanswerable = [each for each in self.cases if not each.query.answerable]
        refused = [each for each in self.cases if not each.turn.answered]
        rightly = sum(not each.query.answerable for each in refused)
        return {
            "auroc": metrics.auroc_figure(
                [each.turn.confidence for each in answerable], [each.turn.confidence for each in unanswerable]
            ),
            # Where every question can be answered, no refusal could have been right.
            "refusal_precision": metrics.share(rightly, len(refused) if unanswerable else 0),
            "refusal_recall": metrics.share(rightly, len(unanswerable)),
            "over_refusal": metrics.share(sum(not each.turn.answered for each in answerable), len(answerable)),
            "gold_recall": metrics.mean(self.gold),
            "gold_contained": metrics.mean(self.contained),
        }

    def counts(self) -> dict[str, Any]:
        """How many were answered, wrongly answered (why), and refused for which reason."""
        answered = [each for each in self.cases if each.turn.answered]
        wrong = [each for each in answered if not each.right]
        unanswerable = sum(not each.query.answerable for each in wrong)
        return {
            "answered": len(answered),
            "wrongly_answered": len(wrong),
            "answered_though_unanswerable": unanswerable,
            "answered_from_another_page": len(wrong) - unanswerable,
            "refused": len(self.cases) - len(answered),
            "reasons": self._reasons(),
        }

    def risk_coverage(self) -> list[tuple[float, float]]:
        """The curve over the gate's confidence, at each twentieth of the questions."""
        if not self.cases:
            return []
        curve = metrics.risk_coverage(
            [each.turn.confidence for each in self.cases], [bool(each.query.answerable) for each in self.cases]
        )
        return [curve[math.ceil(len(curve) * twentieth / 20) - 1] for twentieth in range(1, 21)]

    def reliability(self) -> list[tuple[float, float, int]]:
        """Of questions of alike confidence, a tenth of them each: the mean confidence, which share can be answered, and
        how many they are."""
        return metrics.reliability(
            [each.turn.confidence for each in self.cases], [bool(each.query.answerable) for each in self.cases]
        )

    def by_reason(self) -> dict[str, dict[str, Any]]:
        """Each reason: how often it was given, to which share rightly, and which share of what must be refused it took.

        Sets say that a question can't be answered, not why: that a refusal is right says nothing of its reason.
        """
        unanswerable = sum(not each.query.answerable for each in self.cases)
        found = {}
        for reason, row in self._reasons().items():
            given = row["answerable"] + row["unanswerable"]
            found[reason] = {
                "given": given,
                "precision": metrics.share(row["unanswerable"], given if unanswerable else 0),
                "recall": metrics.share(row["unanswerable"], unanswerable),
            }
        return found

    def _reasons(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for each in self.cases:
            if not each.turn.answered:
                row = found.setdefault(each.turn.reason or "NOTICE", {"answerable": 0, "unanswerable": 0})
                row["answerable" if each.query.answerable else "unanswerable"] += 1
        return dict(sorted(found.items()))


def gold_recall(answer: str, gold: Sequence[str]) -> float:
    """The share of a right answer's words that the answer has; of the right answer that fits best."""
    there = set(_words(answer))
    shares = [sum(word in there for word in words) / len(words) for each in gold if (words := _words(each))]
    return max(shares, default=0.0)


def contains(answer: str, gold: Sequence[str]) -> bool:
    """Whether a right answer stands in the answer, word for word."""
    said = f" {' '.join(_words(answer))} "
    return any(f" {' '.join(words)} " in said for each in gold if (words := _words(each)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
