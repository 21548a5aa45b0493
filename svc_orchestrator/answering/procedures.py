"""Whole procedures: the numbered steps of a passage, from the first to the last, with what leads into them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_PROCEDURE, Citation, Claim, Draft
from meshkit.text.blocks import Block, BlockKind
from svc_orchestrator.answering.reading import Passage, Reading
from svc_orchestrator.answering.wording import as_written, plain

_ASKS_HOW = re.compile(
    r"\bhow (?:do|can|could|should|would|to|does (?:one|someone))\b|\bhow (?:i|we) (?:can|do)\b|\b(?:steps?|guide|"
    r"instructions?|walk me through)\b|\bwhat (?:do|should|can|must) (?:i|we) do\b|\bnow what\b|\bset(?:ting)? up\b",
    re.IGNORECASE,
)
# "How do I know", "how do I get so many": a fact is wanted, not steps.
_ASKS_A_FACT = re.compile(
    r"\bhow (?:many|much|long|often|far|old|big|fast|soon|quickly)\b|\bwhat (?:does|is|happens|changed)\b|\bwhat's\b|"
    r"^(?:is|are|was|does|do|did|can|could|will|has|have|which|who|when|why)\b",
    re.IGNORECASE,
)
_STEP = re.compile(r"step \d+\b", re.IGNORECASE)
_ABOUT_IT = 0.6
_LEAST_STEPS = 2
# A procedure must be about as good a find as the best passage.
_LEAST_SHARE = 0.8
_MOST_PASSAGES = 5
_MOST_STEPS = 30
_MOST_WAYS = 2
_AS_WELL = 0.3
_WEIGHT_OF_HEADING = 1.0


def asks_how(question: str) -> bool:
    """Whether the question wants to be told what to do."""
    return bool(_ASKS_HOW.search(question)) and not asks_a_fact(question)


def asks_a_fact(question: str) -> bool:
    """Whether the question wants a number or a yes rather than steps."""
    return bool(_ASKS_A_FACT.search(question))


@dataclass(frozen=True, slots=True)
class Step:
    """A numbered item with what stands below it: notes, and the commands to type."""

    item: Block
    below: tuple[Block, ...] = ()

    @property
    def start(self) -> int:
        return self.item.start

    @property
    def end(self) -> int:
        return (self.below or (self.item,))[-1].end

    def shown(self, text: str) -> str:
        """Its number and words; code keeps its lines."""
        shown = f"{self.item.ordinal}. {plain(text[self.item.body : self.item.end])}"
        for each in self.below:
            if each.kind is BlockKind.CODE:
                shown = f"{shown}\n{as_written(text[each.start : each.end])}"
            else:
                shown += ("\n" if "\n" in shown else " ") + plain(text[each.start : each.end])
        return shown


@dataclass(frozen=True, slots=True)
class Procedure:
    """Steps 1 to n of one list. `lead` is the paragraph that announces them, if there is one; `rest` are the further
    steps, where the list was cut into two passages."""

    passage: Passage
    steps: tuple[Step, ...]
    lead: Block | None
    rest: "Procedure | None" = None

    @property
    def count(self) -> int:
        """How many steps there are in all."""
        return len(self.steps) + (self.rest.count if self.rest is not None else 0)

    @property
    def text(self) -> str:
        text = self.passage.evidence.text
        return text[self.steps[0].start : self.steps[-1].end]

    def claims(self, *, introduced: bool = True) -> list[Claim]:
        """Heading and lead-in with the first step's claim; each further step is a claim of its own."""
        text = self.passage.evidence.text
        shown = [step.shown(text) for step in self.steps]
        spans = [[(step.start, step.end)] for step in self.steps]
        # A heading that asks ("How do I …?") is the question once more.
        heading = plain(self.passage.heading)
        introduction = [heading] if introduced and not heading.endswith("?") else []
        if self.lead is not None:
            introduction.append(plain(text[self.lead.body : self.lead.end]))
            spans[0].insert(0, (self.lead.start, self.lead.end))
        shown[0] = "\n".join((*filter(None, introduction), shown[0]))
        chunk_id = self.passage.evidence.chunk_id
        claims = [
            Claim(text=each, citations=[Citation(chunk_id=chunk_id, start=start, end=end) for start, end in cited])
            for each, cited in zip(shown, spans, strict=True)
        ]
        return claims if self.rest is None else [*claims, *self.rest.claims(introduced=False)]


def in_sequence(found: Sequence[Procedure], lead: Sequence[Claim] = ()) -> Draft:
    """A draft of the procedures, one after the other, behind `lead`."""
    return Draft(claims=[*lead, *(claim for each in found for claim in each.claims())], form=ANSWER_FORM_PROCEDURE)


def procedures(passage: Passage, *, begin: int = 1) -> list[Procedure]:
    """The passage's numbered lists that begin with 1 and miss no number. `begin`: instead, what a passage that begins
    in the midst of a list goes on with, at this number.

    What stands between two steps belongs to the first of them, so that a command does not end the list it stands in.
    """
    found: list[Procedure] = []
    run: list[Step] = []
    # What came behind the run's last step, and is its own if another step follows.
    behind: list[Block] = []
    before: Block | None = None

    def close() -> None:
        if run:
            run[-1] = _with(run[-1], _own(passage, run[-1], behind))
        if len(run) >= (_LEAST_STEPS if begin == 1 else 1):
            found.append(Procedure(passage, tuple(run[:_MOST_STEPS]), before))
        run.clear()
        behind.clear()

    last: Block | None = None
    for block in passage.blocks:
        first = block.kind is BlockKind.ITEM and block.ordinal == begin and (begin == 1 or last is None)
        if run and block.kind is BlockKind.ITEM and block.depth > run[0].item.depth:
            # What is indented below a step belongs to it.
            behind.append(block)
        elif run and block.kind is BlockKind.ITEM and block.ordinal == (run[-1].item.ordinal or 0) + 1:
            run[-1] = _with(run[-1], behind)
            behind.clear()
            run.append(Step(block))
        elif first or block.kind is BlockKind.HEADING:
            close()
            if first:
                run.append(Step(block))
                before = last if last is not None and _announces(passage, last) else None
        elif run:
            behind.append(block)
        last = block
    close()
    return [each for each in found if len(each.steps) < _MOST_STEPS]


def best_procedures(reading: Reading) -> list[Procedure]:
    """The procedure that fits the question, if the passages that were found best hold one; and another way, if its
    document gives one that fits about as well."""
    if not reading.usable:
        return []
    first = reading.usable[0]
    least = first.evidence.score * _LEAST_SHARE
    near = [each for each in reading.usable[:_MOST_PASSAGES] if each.evidence.score >= least]
    found = _best(reading, [each for passage in near for each in procedures(passage)])
    if found and not procedures(first) and _covers_less(reading, found[0], first):
        # "I lost my phone, now what?" is answered by what stands under "Lost phone", not by the steps beside it.
        return []
    return found


def is_in_pieces(reading: Reading, passage: Passage) -> bool:
    """Whether the passage is from a page that gives its steps a heading each ("Step 3: …"), and is not about the very
    thing that is asked: a search finds some of such steps, and some of them are no answer."""
    page = [each for each in reading.usable if each.evidence.doc_id == passage.evidence.doc_id]
    steps = any(_STEP.match(heading) for each in page for heading in each.evidence.heading_path)
    return steps and reading.coverage(passage.heading) < _ABOUT_IT


def procedures_about_names(reading: Reading) -> list[Procedure]:
    """The procedures of the page or section whose title holds all exact names of the question."""
    return _best(reading, [each for passage in reading.subjects for each in procedures(passage)])


def _best(reading: Reading, candidates: Sequence[Procedure]) -> list[Procedure]:
    fits = [(_fit(reading, each), each) for each in candidates if not reading.is_about_another(each.passage.heading)]
    if not fits:
        return []
    top, best = max(fits, key=lambda each: (each[0], -each[1].passage.rank, -each[1].steps[0].start))
    page = [each for each in reading.usable if each.evidence.doc_id == best.passage.evidence.doc_id]
    ways = [
        each
        for passage in page
        for each in procedures(passage)
        if _fit(reading, each) >= top - _AS_WELL and not reading.is_about_another(passage.heading)
    ]
    ways.sort(key=lambda each: (each.passage.evidence.span_start, each.steps[0].start))
    whole = [_continued(reading, each) for each in ways[:_MOST_WAYS]]
    return [each for each in whole if each.count < _MOST_STEPS]


def _continued(reading: Reading, procedure: Procedure) -> Procedure:
    """With its further steps, where the next passage of its section goes on with the list."""
    own = procedure.passage.evidence
    if own.text[procedure.steps[-1].end :].strip(" \n`~"):
        return procedure
    begin = (procedure.steps[-1].item.ordinal or 0) + 1
    following = [
        found[0]
        for each in reading.usable
        if each.evidence.doc_id == own.doc_id
        and each.evidence.heading_path == own.heading_path
        and each.evidence.span_start > own.span_start
        and (found := procedures(each, begin=begin))
    ]
    if not following:
        return procedure
    return replace(
        procedure, rest=_continued(reading, min(following, key=lambda each: each.passage.evidence.span_start))
    )


def _covers_less(reading: Reading, procedure: Procedure, passage: Passage) -> bool:
    steps = f"{procedure.passage.context}\n{procedure.text}"
    return reading.coverage(steps) < reading.coverage(f"{passage.context}\n{passage.evidence.text}")


def _fit(reading: Reading, procedure: Procedure) -> float:
    heading = reading.coverage(procedure.passage.context) * _WEIGHT_OF_HEADING
    return procedure.passage.evidence.score + 0.5 * heading + 0.5 * reading.coverage(procedure.text)


def _announces(passage: Passage, block: Block) -> bool:
    text = passage.evidence.text[block.start : block.end].rstrip()
    return block.kind is BlockKind.PARAGRAPH and text.endswith(":")


def _with(step: Step, below: Sequence[Block]) -> Step:
    return Step(step.item, (*step.below, *below))


def _own(passage: Passage, step: Step, behind: Sequence[Block]) -> list[Block]:
    """What of the blocks behind the last step is its own: items and code below it, and code that it announces."""
    own: list[Block] = []
    text = passage.evidence.text
    for block in behind:
        indented = block.start < block.body if block.kind is BlockKind.CODE else block.depth > step.item.depth
        announced = not own and block.kind is BlockKind.CODE and text[: step.item.end].endswith(":")
        if not (indented or announced):
            break
        own.append(block)
    return own
