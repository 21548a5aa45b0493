"""Whole questions on a folder of knowledge like `samples/`: answered rightly, refused rightly, answered wrongly."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals import metrics
from evals.desk import Progress, all_of
from evals.sets import SetUnusable
from evals.turns import Turn, Turns
from svc_retrieval.properties import Submission

MEDIA_TYPES = {".md": "text/markdown", ".txt": "text/plain", ".html": "text/html"}
README = "README.md"
ANSWER, RECORD, REFUSE, CONFLICT = "answer", "record", "refuse", "conflict"
CONFLICT_REASON = "CONFLICTING_SOURCES"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what is expected of it."""

    question: str
    expect: str
    doc: str
    must_contain: tuple[str, ...]
    groups: tuple[str, ...]
    forbidden_doc: str

    @property
    def answerable(self) -> bool:
        return self.expect in (ANSWER, RECORD)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A question with what became of it."""

    asked: Asked
    turn: Turn

    @property
    def kind(self) -> str:
        """`answered` (rightly), `refused` (rightly), `over_refused` or `wrongly_answered`.

        A right answer has every string that it must contain. Whatever else is shown to a customer is wrong, and so is
        a page that must stay hidden from them.
        """
        if self.asked.forbidden_doc and self.asked.forbidden_doc in self.turn.evidence:
            return "wrongly_answered"
        if not self.turn.answered:
            return "over_refused" if self.asked.answerable else "refused"
        said = _normal(self.turn.answer)
        right = self.asked.answerable and all(_normal(each) in said for each in self.asked.must_contain)
        return "answered" if right else "wrongly_answered"


def read_questions(file: Path) -> list[Asked]:
    """The questions of a JSON-lines file. Raises SetUnusable."""
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found.append(
                Asked(
                    row["question"],
                    row["expect"],
                    row.get("doc") or "",
                    tuple(row.get("must_contain") or ()),
                    tuple(row.get("acl") or ()),
                    row.get("forbidden_doc") or "",
                )
            )
        except (json.JSONDecodeError, KeyError, TypeError) as exc:
            raise SetUnusable(f"{file.name}:{number}: no question with its expectation") from exc
    return found


def read_knowledge(folder: Path) -> list[Submission]:
    """The pages below `folder`, as `groundline ingest` sends them."""
    files = sorted(each for each in folder.rglob("*") if each.suffix in MEDIA_TYPES and each.name != README)
    return [
        Submission("default", each.relative_to(folder).as_posix(), MEDIA_TYPES[each.suffix], each.read_bytes())
        for each in files
    ]


async def converse(turns: Turns, questions: Sequence[Asked], progress: Progress) -> list[Outcome]:
    """Asks every question in a conversation of its own; outcomes in the questions' order."""
    outcomes: dict[int, Outcome] = {}

    async def ask(numbered: tuple[int, Asked]) -> None:
        index, asked = numbered
        outcomes[index] = Outcome(asked, await turns.take(asked.question, groups=asked.groups))

    await all_of(list(enumerate(questions)), ask, "asking", progress)
    return [outcomes[index] for index in range(len(questions))]


def tally(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Counts by kind, shares with their intervals, and each reason with how often it was right to refuse."""
    kinds = Counter(each.kind for each in outcomes)
    answerable = sum(each.asked.answerable for each in outcomes)
    refusable = len(outcomes) - answerable
    found_first = [
        each.turn.evidence[:1] == (each.asked.doc,) for each in outcomes if each.asked.doc and each.asked.answerable
    ]
    refused = [each for each in outcomes if not each.turn.answered]
    return {
        "questions": len(outcomes),
        "answerable": answerable,
        "answered": kinds["answered"],
        "refused": kinds["refused"],
        "over_refused": kinds["over_refused"],
        "wrongly_answered": kinds["wrongly_answered"],
        "answered_share": metrics.share(kinds["answered"], answerable),
        "refused_share": metrics.share(kinds["refused"], refusable),
        "page_found_first": metrics.mean([float(each) for each in found_first]),
        "ndcg_at_10": metrics.mean(
            [
                metrics.ndcg(list(dict.fromkeys(each.turn.evidence)), {each.asked.doc: 1.0})
                for each in outcomes
                if each.asked.doc and each.asked.answerable
            ]
        ),
        "reasons": _reasons(refused, sum(each.asked.expect == CONFLICT for each in outcomes)),
        "wrong": [_described(each) for each in outcomes if each.kind == "wrongly_answered"],
        "over_refusals": [_described(each) for each in outcomes if each.kind == "over_refused"],
    }


def _reasons(refused: Sequence[Outcome], conflicts: int) -> dict[str, Any]:
    """For each reason: how often it was given, precision (it was right to refuse), and, where the questions say which
    reason it must be, recall."""
    found: dict[str, Any] = {}
    for reason in sorted({each.turn.reason or "NOTICE" for each in refused}):
        given = [each for each in refused if (each.turn.reason or "NOTICE") == reason]
        right = [each for each in given if each.kind == "refused"]
        row: dict[str, Any] = {"given": len(given), "precision": metrics.share(len(right), len(given))}
        if reason == CONFLICT_REASON:
            hits = sum(each.asked.expect == CONFLICT for each in given)
            row |= {"precision": metrics.share(hits, len(given)), "recall": metrics.share(hits, conflicts)}
        found[reason] = row
    return found


def _described(outcome: Outcome) -> dict[str, Any]:
    return {
        "question": outcome.asked.question,
        "expect": outcome.asked.expect,
        "doc": outcome.asked.doc,
        "answer": outcome.turn.answer,
        "reason": outcome.turn.reason,
        "failed_signals": [each.name for each in outcome.turn.verdict.signals if not each.ok],
    }


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
