"""Answers in the evidence's own words: nothing is written that does not stand there."""

import asyncio
import math
from collections.abc import Sequence
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
from svc_orchestrator.answering.examples import is_example, with_examples
from svc_orchestrator.answering.leaning import dangles, reads_on, sets_up_an_example, with_what_it_leans_on
from svc_orchestrator.answering.lists import list_of
from svc_orchestrator.answering.procedures import (
    Procedure,
    asks_a_fact,
    asks_how,
    best_procedures,
    in_sequence,
    is_in_pieces,
    procedures_about_names,
)
from svc_orchestrator.answering.reading import Line, Passage, Reading
from svc_orchestrator.answering.scoring import score
from svc_orchestrator.answering.wording import as_written, is_label, is_pointer, plain

NAME = "extractive-2"

_MOST_PASSAGES = 4
_MOST_CANDIDATES = 64
_MOST_SENTENCES = 3
# A further sentence adds what it has beyond this share of the best one's own score; reading on from one to the next is
# worth something of its own, and so is a code's meaning.
_LEAST_GAIN = 0.2
_READS_ON = 0.1
_MEANING = 0.1


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
        how = asks_how(reading.question)
        scores = [score(reading, line, float(row[0])) for line, row in zip(candidates, cosines, strict=True)]
        # What says the same to the letter scores the same, but for the last digits of its vector.
        best = max(range(len(candidates)), key=lambda at: (round(scores[at], 5), -at))
        if candidates[best].kind is BlockKind.ROW:
            return Draft(claims=[_row_claim(candidates[best])], form=ANSWER_FORM_TABLE_ROW)
        whole = list_of(candidates[best], how=how)
        if whole is not None:
            return whole
        if how and is_in_pieces(reading, candidates[best].passage):
            raise NothingToSay("steps_in_pieces")
        chosen = _chosen(reading, candidates, scores, best)
        if reading.wanted.parts:
            chosen = _for_each_part(reading, candidates, cosines[:, 1:], chosen)
        elif how:
            # Some of what is to be done is worse than nothing.
            whole = next((found for each in chosen if (found := list_of(each, how=True)) is not None), None)
            if whole is not None:
                return whole
            chosen = with_examples(reading, chosen)
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
    answering = {
        each.rank: [line for line in each.lines if _is_answer(line) or is_example(reading, line)]
        for each in reading.usable
    }
    if reading.wanted.default:
        # However far down it was found: what only speaks of the same thing does not say its default.
        return [each for lines in answering.values() for each in lines if _gives_a_default(reading, each)]
    # A passage that is nothing but a listing takes nobody's place.
    near = [each for each in reading.usable if answering[each.rank]][:_MOST_PASSAGES]
    # Where the question names a code, what is about it is read however far down it was found.
    near += [each for each in reading.subjects if each not in near]
    lines = [line for passage in near for line in answering[passage.rank]]
    if len(lines) > _MOST_CANDIDATES:
        by_coverage = sorted(
            range(len(lines)),
            key=lambda at: (-reading.coverage(lines[at].shown) - lines[at].passage.evidence.score, at),
        )
        lines = [lines[at] for at in sorted(by_coverage[:_MOST_CANDIDATES])]
    return lines


def _gives_a_default(reading: Reading, line: Line) -> bool:
    if reading.wanted.default_is_in(line.shown):
        return True
    # In code the values speak for themselves, where its heading or the words before it say that they are defaults.
    return line.code is not None and "default" in f"{line.passage.heading} {line.shown}".lower()


def _is_answer(line: Line) -> bool:
    text = line.shown.rstrip()
    # What announces a list or code says nothing without it; questions are headings of a FAQ.
    said = any(char.isalnum() for char in text) and not text.endswith((":", "?")) and line.code is None
    return said and not is_label(text) and not is_pointer(text)


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
        pairs = sum(index - 1 in group and reads_on(passage.lines, index) for index in group)
        total = math.fsum(own[index] - cut for index in sorted(group) if index != at)
        return total + _READS_ON * pairs + _MEANING * (meaning in group)

    needed = {index: with_what_it_leans_on(passage.lines, own, index) for index in (*own, at)}
    own = {
        index: value
        for index, value in own.items()
        if index == at or (_adds(passage.lines[index], candidates[best]) and not dangles(passage.lines, needed[index]))
    }
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
        for index in with_what_it_leans_on(line.passage.lines, range(len(line.passage.lines)), line.index)
    }
    missing = [each for each in needed.values() if each not in chosen]
    if not missing or len(needed) > _MOST_SENTENCES:
        return chosen
    return sorted(needed.values(), key=lambda each: (each.passage.evidence.span_start, each.passage.rank, each.index))


def _adds(line: Line, best: Line) -> bool:
    """Whether a sentence may stand beside the best one: a single step of several stands for itself, and a set-up of an
    example for nothing."""
    steps = line.ordinal is not None or best.ordinal is not None
    return (not steps or line.place == best.place) and not sets_up_an_example(line)


def _sentence_claim(line: Line) -> Claim:
    if line.code is not None:
        code = as_written(line.passage.evidence.text[line.code[0] : line.code[1]])
        citations = [_citation(line.passage, line.start, line.end), _citation(line.passage, *line.code)]
        return Claim(text=f"{plain(line.shown)}\n{code}", citations=citations)
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
