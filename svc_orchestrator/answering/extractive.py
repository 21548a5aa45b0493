"""Answers in the evidence's own words: nothing is written that does not stand there."""

import asyncio
import math
import re
from collections.abc import Container, Sequence
from itertools import combinations

import numpy as np

from groundline.evaluation.v1.evaluation_pb2 import (
    ANSWER_FORM_SENTENCES,
    ANSWER_FORM_TABLE_ROW,
    Citation,
    Claim,
    Draft,
    Verdict,
)
from groundline.retrieval.v1.evidence_pb2 import EvidencePack
from meshkit.errors import DomainError
from meshkit.models.embeddings import Embedder
from meshkit.models.vectors import Vectors
from meshkit.text.blocks import BlockKind
from svc_orchestrator.answering.answerer import AnswererError, NothingToSay
from svc_orchestrator.answering.lists import list_of
from svc_orchestrator.answering.procedures import (
    Procedure,
    asks_a_fact,
    asks_how,
    best_procedures,
    in_sequence,
    procedures_about_names,
)
from svc_orchestrator.answering.reading import Line, Passage, Reading
from svc_orchestrator.answering.scoring import score
from svc_orchestrator.answering.wording import is_label, plain

NAME = "extractive-1"

_MOST_PASSAGES = 4
_MOST_CANDIDATES = 64
_MOST_SENTENCES = 3
# A further sentence adds what it has beyond this share of the best one's own score; reading on from one to the next is
# worth something of its own, and so is a code's meaning.
_LEAST_GAIN = 0.2
_READS_ON = 0.1
_MEANING = 0.1
# What begins like this leans on the sentence before it.
_LEANS = re.compile(
    r"(?:it|its|during (?:this|that|these|those)|this|these|that|those|they|their|he|she|then|after that|"
    r"otherwise|both|the former|the latter|there|such)\b",
    re.IGNORECASE,
)


class ExtractiveAnswerer:
    """Picks the form that fits: whole steps, a table's row, a list, up to three sentences."""

    name = NAME

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def draft(self, question: str, pack: EvidencePack, *, deadline_s: float) -> Draft:
        """Raises AnswererError if there is nothing to answer from, or no embeddings; TimeoutError."""
        reading = Reading(question, pack)
        draft = _procedure(reading)
        if draft is None:
            async with asyncio.timeout(deadline_s):
                draft = await self._lines(reading)
        draft.model = self.name
        return draft

    async def revise(
        self, question: str, pack: EvidencePack, refused: Draft, verdict: Verdict, *, deadline_s: float
    ) -> Draft | None:
        """None: the same evidence gives the same words."""
        return None

    async def _lines(self, reading: Reading) -> Draft:
        candidates = _candidates(reading)
        if not candidates:
            raise NothingToSay("nothing_to_answer_from")
        try:
            asked = (reading.question, *reading.wanted.parts)
            vectors = await self._embedder.embed([*asked, *(plain(each.shown) for each in candidates)])
        except DomainError as exc:
            raise AnswererError("no_embeddings") from exc
        cosines = np.clip(vectors[len(asked) :] @ vectors[: len(asked)].T, 0.0, 1.0)
        scores = [score(reading, line, float(row[0])) for line, row in zip(candidates, cosines, strict=True)]
        best = max(range(len(candidates)), key=lambda at: (scores[at], -at))
        if candidates[best].kind is BlockKind.ROW:
            return Draft(claims=[_row_claim(candidates[best])], form=ANSWER_FORM_TABLE_ROW)
        whole = list_of(candidates[best])
        if whole is not None:
            return whole
        chosen = _chosen(reading, candidates, scores, best)
        if reading.wanted.parts:
            chosen = _for_each_part(reading, candidates, cosines[:, 1:], chosen)
        return Draft(claims=[_sentence_claim(each) for each in chosen], form=ANSWER_FORM_SENTENCES)


def _procedure(reading: Reading) -> Draft | None:
    """Steps, if the question asks what to do or names a code whose page says what to do."""
    if asks_how(reading.question):
        found = best_procedures(reading)
        return in_sequence(found) if found else None
    if not reading.names or asks_a_fact(reading.question):
        return None
    found = procedures_about_names(reading)
    if not found:
        return None
    return in_sequence(found, lead=_meaning(reading, found[0]))


def _meaning(reading: Reading, procedure: Procedure) -> list[Claim]:
    """The sentences with which the page or section begins: what the code means."""
    own = [each for each in reading.subjects if each.evidence.doc_id == procedure.passage.evidence.doc_id]
    passage = min(own, key=lambda each: each.evidence.span_start)
    first = procedure.lead or procedure.steps[0]
    before = [
        each
        for each in passage.lines
        if each.kind is BlockKind.PARAGRAPH
        and (passage is not procedure.passage or each.end <= first.start)
        and _is_answer(each)
        and not reading.is_about_another(each.shown)
    ]
    return [_sentence_claim(each) for each in before[:2]]


def _candidates(reading: Reading) -> list[Line]:
    """The lines worth reading closely, in the passages' order: all of them, or those that cover most."""
    near = reading.usable[:_MOST_PASSAGES]
    # Where the question names a code, what is about it is read however far down it was found.
    near += [each for each in reading.subjects if each not in near]
    lines = [line for passage in near for line in passage.lines if _is_answer(line)]
    if len(lines) > _MOST_CANDIDATES:
        by_coverage = sorted(
            range(len(lines)),
            key=lambda at: (-reading.coverage(lines[at].shown) - lines[at].passage.evidence.score, at),
        )
        lines = [lines[at] for at in sorted(by_coverage[:_MOST_CANDIDATES])]
    return lines


def _is_answer(line: Line) -> bool:
    text = line.shown.rstrip()
    # What announces a list says nothing without it; questions are headings of a FAQ.
    return any(char.isalnum() for char in text) and not text.endswith((":", "?")) and not is_label(text)


def _chosen(reading: Reading, candidates: Sequence[Line], scores: Sequence[float], best: int) -> list[Line]:
    """Up to three sentences of the best one's passage, in its order: the best one, and those beside it that gain most
    for the answer. What stands together reads on, and none comes without the one that it leans on."""
    passage = candidates[best].passage
    own = {
        line.index: value
        for line, value in zip(candidates, scores, strict=True)
        if line.passage is passage and line.kind is not BlockKind.ROW and not reading.is_about_another(line.shown)
    }
    at = candidates[best].index
    # Compared without what all sentences of the passage have alike.
    floor = min(own.values(), default=0.0) if len(own) > _MOST_SENTENCES else passage.evidence.score
    cut = floor + _LEAST_GAIN * (scores[best] - floor)
    # The page of a code begins by saying what it means.
    meaning = min(own, default=-1) if passage in reading.subjects else -1

    def gain(group: frozenset[int]) -> float:
        pairs = sum(index - 1 in group and _together(passage.lines, index) for index in group)
        total = math.fsum(own[index] - cut for index in sorted(group) if index != at)
        return total + _READS_ON * pairs + _MEANING * (meaning in group)

    needed = {index: _with_what_it_leans_on(passage.lines, own, index) for index in (*own, at)}
    groups = {
        frozenset(needed[at].union(*(needed[each] for each in others)))
        for count in range(_MOST_SENTENCES)
        for others in combinations(own, count)
    }
    fitting = [each for each in groups if len(each) <= _MOST_SENTENCES and each <= own.keys() | {at}]
    chosen = max(fitting, key=lambda each: (gain(each), sorted(each)), default=frozenset({at}))
    return [passage.lines[index] for index in sorted(chosen)]


def _for_each_part(reading: Reading, candidates: Sequence[Line], cosines: Vectors, chosen: list[Line]) -> list[Line]:
    """`chosen`, if it answers each part of the question best; else the page's best sentence for each part.

    `cosines` has a row for each candidate and a column for each part.
    """
    page = chosen[0].passage.evidence.doc_id
    own = [
        at
        for at, line in enumerate(candidates)
        if line.passage.evidence.doc_id == page
        and line.kind is not BlockKind.ROW
        and not reading.is_about_another(f"{line.passage.heading}\n{line.shown}")
    ]

    def fit(at: int, part: int) -> float:
        return float(cosines[at, part]) + reading.coverage(candidates[at].shown, reading.wanted.parts[part])

    best = [max(own, key=lambda at: (fit(at, part), -at)) for part in range(len(reading.wanted.parts))]
    needed = {
        (line.passage.rank, index): line.passage.lines[index]
        for line in (candidates[at] for at in best)
        for index in _with_what_it_leans_on(line.passage.lines, range(len(line.passage.lines)), line.index)
    }
    missing = [each for each in needed.values() if each not in chosen]
    if not missing or len(needed) > _MOST_SENTENCES:
        return chosen
    return sorted(needed.values(), key=lambda each: (each.passage.evidence.span_start, each.passage.rank, each.index))


def _with_what_it_leans_on(lines: Sequence[Line], own: Container[int], index: int) -> set[int]:
    """A sentence with those before it that it can't be understood without."""
    found = {index}
    while index - 1 in own and _LEANS.match(lines[index].shown) and _together(lines, index):
        index -= 1
        found.add(index)
    return found


def _together(lines: Sequence[Line], index: int) -> bool:
    """Whether a sentence and the one before it are of one kind: prose and steps are not mixed."""
    return index > 0 and lines[index].kind is lines[index - 1].kind


def _sentence_claim(line: Line) -> Claim:
    return Claim(text=_finished(plain(line.shown)), citations=[_citation(line.passage, line.start, line.end)])


def _row_claim(line: Line) -> Claim:
    citations = [_citation(line.passage, line.start, line.end)]
    if line.header is not None:
        citations.insert(0, _citation(line.passage, *line.header))
    return Claim(text=_finished(plain(line.shown)), citations=citations)


def _citation(passage: Passage, start: int, end: int) -> Citation:
    return Citation(chunk_id=passage.evidence.chunk_id, start=start, end=end)


def _finished(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", "。", '"', "”", ")")) else f"{text}."
