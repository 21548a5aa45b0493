"""Sentences with their place. Headings, table rows and code blocks count as one sentence each."""

import re
from dataclasses import dataclass

from meshkit.text.blocks import Block, BlockKind, blocks

# Behind these a full stop ends no sentence, whatever comes next.
_ABBREVIATED = """
    e.g i.e cf vs viz approx ca dr mr mrs ms prof st jr sr fig figs eq sec ch vol pp ed eds nr no nos art abs
    z.b d.h u.a usw bzw ggf inkl p.ex al resp incl excl min max tel ext dept est
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
# Behind these it ends one only before a capital letter.
_AT_THE_END = """
    etc inc ltd co corp llc gmbh u.s u.k e.u a.m p.m min max no ext art sec ed
"""
_OFTEN_LAST = frozenset(_AT_THE_END.split())
_STOP = re.compile(r"[.!?…]+[\"'”’»)\]*_]*(?=\s|$)|[。！？]+[」』”’）]*")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘*_]*$")
_NEXT = re.compile(r"[\s\"'“‘«(\[*_`]*(\S)")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Code points `start` to `end` of the text, trimmed. `block` is the block it stands in."""

    start: int
    end: int
    block: Block


def sentences(text: str) -> list[Sentence]:
    """The sentences of `text` in order, none overlapping. Every letter and digit outside of list markers is in one."""
    found: list[Sentence] = []
    for block in blocks(text):
        if block.kind in (BlockKind.PARAGRAPH, BlockKind.ITEM):
            found.extend(Sentence(start, end, block) for start, end in _split(text, block.body, block.end))
        else:
            found.append(Sentence(block.body, block.end, block))
    return [each for each in found if text[each.start : each.end].strip()]


def _split(text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if _ends_sentence(text, begin, stop, end):
            spans.append(_trimmed(text, begin, stop.end()))
            begin = stop.end()
    spans.append(_trimmed(text, begin, end))
    return [(first, last) for first, last in spans if first < last]


def _ends_sentence(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    if text.count("`", begin, stop.start()) % 2:
        # A full stop in the midst of inline code.
        return False
    mark = stop[0][0]
    following = _NEXT.match(text, stop.end(), end)
    if following is None or mark in "。！？":
        return True
    lower = following[1].islower()
    if mark != ".":
        # "Really?! he said": a small letter behind a closing quote goes on with the sentence.
        return not (lower and stop[0][-1] in "\"'”’»)]")
    if stop[0].startswith(".."):
        return not lower
    before = _WORD_BEFORE.search(text, begin, stop.start())
    written = before[0] if before else ""
    word = written.lower()
    if word in _OFTEN_LAST:
        return following[1].isupper()
    if word in _ABBREVIATIONS or _is_initial(written):
        return False
    return not lower


def _is_initial(word: str) -> bool:
    return len(word) == 1 and word.isupper() and word != "I"


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
