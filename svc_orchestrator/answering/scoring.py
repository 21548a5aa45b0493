"""How well a line of the evidence answers: by meaning, words, the passage it is from, and what is asked for."""

import re

from meshkit.text.blocks import BlockKind
from meshkit.text.quantities import quantities
from svc_orchestrator.answering.ranges import within
from svc_orchestrator.answering.reading import Line, Reading

_COSINE, _COVERAGE = 0.5, 0.5
# A question for a number is answered by a sentence with a number.
_SLOT_BONUS = 0.1
# Whoever names a code wants the page about it more than a page that mentions it.
_NAMED_IN_HEADING, _NAMED_IN_LINE = 0.35, 0.1
_ANOTHER_VERSION = -0.5
_IN_RANGE, _OUT_OF_RANGE = 0.3, -0.5

_WANTS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|often|far|fast|soon|quickly|old|big|high)\b|\b(?:max|maximum|min|minimum|number of|limit|"
    r"price|prices|cost|costs|when|latest|speed|extension|phone)\b",
    re.IGNORECASE,
)
_WANTS_PRICE = re.compile(r"\b(?:price|prices|costs?|how much (?:is|are|does|do|for|per))\b", re.IGNORECASE)
_HAS_PRICE = re.compile(r"[€$£]\s?\d|\d\s?(?:€|EUR|USD|GBP)")


def score(reading: Reading, line: Line, cosine: float) -> float:
    """½·cosine + ½·coverage + the passage's score, with bonuses for what the question asks for in particular."""
    total = (
        _COSINE * cosine
        + _COVERAGE * reading.coverage(f"{line.passage.heading}\n{line.shown}")
        + line.passage.evidence.score
    )
    if _WANTS_PRICE.search(reading.question):
        total += _SLOT_BONUS if _HAS_PRICE.search(line.shown) else 0.0
    elif _WANTS_NUMBER.search(reading.question):
        total += _SLOT_BONUS if quantities(line.shown) else 0.0
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
    first_cell = line.shown.partition(" – ")[0]
    fits = [within(first_cell, each) for each in reading.amounts]
    if any(fits):
        return _IN_RANGE
    return _OUT_OF_RANGE if False in fits else 0.0
