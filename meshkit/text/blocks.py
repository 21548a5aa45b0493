"""The lines of a text as blocks: headings, paragraphs, list items, table rows, code. Markdown and bare text alike."""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass


class BlockKind(enum.Enum):
    """What a block is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    ROW = "row"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """Code points `start` to `end` of the text, without the line's end. `body` is where its words begin (behind `#`).

    `ordinal` is a numbered item's number, `depth` a heading's level (from 1) or an item's indentation in columns.
    `header` is true for the first row of a table. Tables' ruling lines and code fences are in no block.
    """

    kind: BlockKind
    start: int
    body: int
    end: int
    ordinal: int | None = None
    depth: int = 0
    header: bool = False


_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+")
_ITEM = re.compile(r"([ \t]*)(?:([-*+•‣◦])|(?:(\d{1,3})[.)]))[ \t]+(?=\S)")
_RULING = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{3,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_END_OF_SENTENCE = re.compile(r"[.!?:][\"'”’)\]*_`]*$")


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def first(self) -> int:
        return self.start + len(self.text) - len(self.text.lstrip())


def blocks(text: str) -> list[Block]:
    """The blocks of `text` in order, none overlapping another. Empty for blank text."""
    lines = list(_lines(text))
    found: list[Block] = []
    at = 0
    while at < len(lines):
        at = _read(lines, at, found)
    return found


def cells(text: str, row: Block) -> list[str]:
    """A table row's cells, trimmed. An escaped bar (`\\|`) is part of its cell."""
    line = text[row.start : row.end].strip()
    inner = line.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    # Only \n and \r end a line here: what else str.splitlines splits at (form feed, U+2028) can stand inside one.
    for line in re.split(r"(\r\n|\n|\r)", text):
        if line not in ("\n", "\r", "\r\n"):
            yield _Line(start, line.rstrip())
        start += len(line)


def _read(lines: list[_Line], at: int, found: list[Block]) -> int:
    """Reads the block that begins at line `at`; returns the line behind it."""
    line = lines[at]
    if not line.text.strip():
        return at + 1
    if fence := _FENCE.match(line.text):
        return _code(lines, at, fence[1], found)
    if heading := _HEADING.match(line.text):
        found.append(Block(BlockKind.HEADING, line.first, line.start + heading.end(), line.end, depth=len(heading[1])))
        return at + 1
    if _is_row(lines, at):
        return _table(lines, at, found)
    return _prose(lines, at, found)


def _code(lines: list[_Line], at: int, fence: str, found: list[Block]) -> int:
    close = at + 1
    while close < len(lines) and not lines[close].text.strip().startswith(fence):
        close += 1
    inside = [line for line in lines[at + 1 : close] if line.text.strip()]
    if inside:
        found.append(Block(BlockKind.CODE, inside[0].start, inside[0].first, inside[-1].end))
    return close + 1


def _is_row(lines: list[_Line], at: int) -> bool:
    text = lines[at].text.strip()
    if text.startswith("|") and text.count("|") >= 2:
        return True
    return "|" in text and at + 1 < len(lines) and "|" in lines[at + 1].text and bool(_RULING.match(lines[at + 1].text))


def _table(lines: list[_Line], at: int, found: list[Block]) -> int:
    ruled = at + 1 < len(lines) and bool(_RULING.match(lines[at + 1].text))
    first = at
    while at < len(lines) and "|" in lines[at].text:
        line = lines[at]
        if not _RULING.match(line.text):
            found.append(Block(BlockKind.ROW, line.first, line.first, line.end, header=ruled and at == first))
        at += 1
    return at


def _prose(lines: list[_Line], at: int, found: list[Block]) -> int:
    """A paragraph or a list item with the lines that continue it."""
    first, item = lines[at], _ITEM.match(lines[at].text)
    if item is None and at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1].text):
        depth = 1 if "=" in lines[at + 1].text else 2
        found.append(Block(BlockKind.HEADING, first.first, first.first, first.end, depth=depth))
        return at + 2
    if item is None and _stands_as_heading(lines, at):
        found.append(Block(BlockKind.HEADING, first.first, first.first, first.end, depth=2))
        return at + 1
    last = at
    while last + 1 < len(lines) and _continues(lines, last, in_item=item is not None):
        last += 1
    end = lines[last].end
    if item is None:
        found.append(Block(BlockKind.PARAGRAPH, first.first, first.first, end))
    else:
        indent = len(item[1].expandtabs(4))
        ordinal = int(item[3]) if item[3] else None
        found.append(Block(BlockKind.ITEM, first.first, first.start + item.end(), end, ordinal, indent))
    return last + 1


def _continues(lines: list[_Line], last: int, *, in_item: bool) -> bool:
    """Whether the line behind `last` belongs to the same paragraph or item."""
    line, text = lines[last + 1], lines[last + 1].text
    if not text.strip() or _HEADING.match(text) or _FENCE.match(text) or _ITEM.match(text):
        return False
    if _is_row(lines, last + 1) or _stands_as_heading(lines, last + 1):
        return False
    if last + 2 < len(lines) and _UNDERLINE.match(lines[last + 2].text) and "=" in lines[last + 2].text:
        return False
    # Bare text has no blank line behind a list: what begins at the margin after a full stop is a new paragraph.
    at_margin = line.first == line.start
    return not (in_item and at_margin and _END_OF_SENTENCE.search(lines[last].text))


def _stands_as_heading(lines: list[_Line], at: int) -> bool:
    """Bare text's headings: a short line in capitals, with letters in it, that no sentence runs through."""
    text = lines[at].text.strip()
    letters = [char for char in text if char.isalpha()]
    if len(letters) < 4 or len(text) > 80 or text.upper() != text or _END_OF_SENTENCE.search(text):
        return False
    if at and lines[at - 1].text.strip() and not _END_OF_SENTENCE.search(lines[at - 1].text):
        return False
    has_case = any(char.lower() != char.upper() for char in letters)
    return has_case and (" " in text or not any(char.isdigit() for char in text))
