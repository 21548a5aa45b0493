"""What to type: code with the words that announce it, whole or not at all."""

import re

from meshkit.text.exact_names import stands_in
from svc_orchestrator.answering.procedures import asks_how
from svc_orchestrator.answering.reading import Line, Reading

_MOST_LINES_OF_CODE = 20
_MOST_EXAMPLES = 5
_ASKS_WHAT_TO_TYPE = re.compile(r"\b(?:commands?|flags?|options?|syntax|examples?|configur\w+)\b", re.IGNORECASE)
_OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]+")


def is_example(reading: Reading, line: Line) -> bool:
    """Whether the line is shown with the code that it announces: where what to do or to type is asked, or the code
    shows an option that the question names."""
    if line.code is None:
        return False
    code = line.passage.evidence.text[line.code[0] : line.code[1]]
    if code.count("\n") >= _MOST_LINES_OF_CODE:
        return False
    if asks_how(reading.question) or _ASKS_WHAT_TO_TYPE.search(reading.question):
        return True
    return any(stands_in(each, code) for each in _OPTION.findall(reading.question))


def with_examples(reading: Reading, chosen: list[Line]) -> list[Line]:
    """`chosen` with what its section says to type, in the page's order, over all of its passages that were found."""
    own = chosen[0].passage.evidence
    examples = [
        line
        for passage in reading.usable
        if passage.evidence.doc_id == own.doc_id and passage.evidence.heading_path == own.heading_path
        for line in passage.lines
        if line.code is not None and line not in chosen
    ]
    shown = [line for line in examples if is_example(reading, line)]
    if len(shown) < len(examples) or len(shown) > _MOST_EXAMPLES:
        return chosen
    return sorted((*chosen, *shown), key=lambda each: (each.passage.evidence.span_start, each.passage.rank, each.index))
