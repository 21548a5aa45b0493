"""Sentences that can't be understood without what stands before or behind them."""

import re
from collections.abc import Container, Sequence

from svc_orchestrator.answering.reading import Line

# What begins like this leans on the sentence before it; but in "It is safe to" nothing is meant.
_LEANS = re.compile(
    r"(?:it(?! (?:is|was|may be|can be)(?: \w+ly| not| also)? (?:un|im)?(?:safe|possible|necessary|important|"
    r"recommended|required|advisable|better|best|common|easy|hard|difficult|enough)\b)|its|"
    r"(?:during|in|after|before|for|at|of) (?:this|that|these|those)|this|these|that|those|they|their|he|she|then|"
    r"after that|otherwise|both|the former|the latter|there|such)\b",
    re.IGNORECASE,
)
# So does what compares with it: "offline for longer than that".
_COMPARES = re.compile(r"\bthan (?:this|that|these|those)\b", re.IGNORECASE)
# What begins like this sets an example up, and says nothing where that is not shown.
_SUPPOSES = re.compile(r"(?:suppose|assum(?:e|ing)|imagine|consider)\b", re.IGNORECASE)


def with_what_it_leans_on(lines: Sequence[Line], own: Container[int], index: int) -> set[int]:
    """A sentence with those before it that it can't be understood without."""
    found = {index}
    while index - 1 in own and leans(lines[index]) and reads_on(lines, index):
        index -= 1
        found.add(index)
    return found


def dangles(lines: Sequence[Line], needed: set[int]) -> bool:
    """Whether a sentence leans on one that can't be shown with it."""
    first = min(needed)
    return first > 0 and leans(lines[first])


def leans(line: Line) -> bool:
    """Whether the sentence points to the one before it."""
    return _LEANS.match(line.shown) is not None or _COMPARES.search(line.shown) is not None


def reads_on(lines: Sequence[Line], index: int) -> bool:
    """Whether a sentence and the one before it read on: of one kind, for prose and steps are not mixed, and with
    nothing between them that is not shown."""
    if index == 0:
        return False
    line, before = lines[index], lines[index - 1]
    return line.kind is before.kind and line.place - before.place <= (1 if before.code is None else 2)


def sets_up_an_example(line: Line) -> bool:
    """Whether the sentence only sets the scene of an example."""
    return _SUPPOSES.match(line.shown) is not None
