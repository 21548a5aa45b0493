"""How well a line of the evidence answers: by meaning, words, the passage it is from, and what is asked for."""

from meshkit.text.blocks import BlockKind, cells
from svc_orchestrator.answering.ranges import within
from svc_orchestrator.answering.reading import Line, Reading

_COSINE, _COVERAGE = 0.5, 0.5
# A question for a number is answered by a sentence with a number, and better by one that gives it to what was named.
_SLOT_BONUS, _NAMED_THING = 0.1, 0.2
# Whoever names a code wants the page about it more than a page that mentions it.
_NAMED_IN_HEADING, _NAMED_IN_LINE = 0.35, 0.1
_ANOTHER_VERSION = -0.5
_IN_RANGE, _OUT_OF_RANGE = 0.3, -0.5


def score(reading: Reading, line: Line, cosine: float) -> float:
    """½·cosine + ½·coverage + the passage's score, with bonuses for what the question asks for in particular."""
    total = (
        _COSINE * cosine
        + _COVERAGE * reading.coverage(f"{line.passage.context}\n{line.shown}")
        + line.passage.evidence.score
    )
    if reading.wanted.kind_is_in(line.shown):
        total += _SLOT_BONUS
    if reading.wanted.is_named_in(line.shown, line.passage.context):
        total += _NAMED_THING
    if line.passage in reading.subjects:
        total += _NAMED_IN_HEADING
    elif reading.holds_names([line.shown]):
        total += _NAMED_IN_LINE
    if reading.is_about_another(line.shown) or reading.is_about_another(line.passage.heading):
        total += _ANOTHER_VERSION
    if line.kind is BlockKind.ROW:
        total += _range_score(reading, line)
    return total


def _range_score(reading: Reading, line: Line) -> float:
    """A row for "100 to 249" answers for 150, and must not answer for 300."""
    first_cell = cells(line.passage.evidence.text, line.passage.blocks[line.place])[0]
    fits = [within(first_cell, each) for each in reading.amounts]
    if any(fits):
        return _IN_RANGE
    return _OUT_OF_RANGE if False in fits else 0.0
