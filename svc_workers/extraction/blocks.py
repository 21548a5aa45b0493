"""The structured text that every format is reduced to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["heading", "paragraph", "list", "table", "code"]
Span: TypeAlias = tuple[int, int]
SEPARATOR = "\n\n"


class Unreadable(Exception):
    """The document can't be read; the text is a sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block as plain text.

    `units` are where it may be divided: items of a list, rows of a table, lines of code, as code point ranges in
    `text`; empty where only sentences divide it. `header` and `footer` are what a part of it can't be read without: a
    table's heads, the fences of code; they stand at the start and end of `text`. `level` is a heading's, 1 to 6.
    """

    kind: Kind
    text: str
    units: tuple[Span, ...] = ()
    header: str = ""
    footer: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's blocks, and `text`: their texts, a blank line between them. Spans are code points in `text`."""

    text: str
    blocks: tuple[Block, ...]
    spans: tuple[Span, ...]


def assemble(blocks: Iterable[Block]) -> Extracted:
    """Joins blocks. Empty ones are left out."""
    kept = tuple(block for block in blocks if block.text.strip())
    spans: list[Span] = []
    at = 0
    for block in kept:
        spans.append((at, at + len(block.text)))
        at += len(block.text) + len(SEPARATOR)
    return Extracted(SEPARATOR.join(block.text for block in kept), kept, tuple(spans))


def lines_of(kind: Kind, lines: Iterable[str], *, header: str = "", footer: str = "") -> Block:
    """A block whose units are `lines` (each may hold line breaks), between `header` and `footer`."""
    parts = [header] if header else []
    at = len(header) + 1 if header else 0
    units: list[Span] = []
    for line in lines:
        parts.append(line)
        units.append((at, at + len(line)))
        at += len(line) + 1
    if footer:
        parts.append(footer)
    return Block(kind, "\n".join(parts), tuple(units), header=header, footer=footer)


def code(lines: Sequence[str]) -> Block:
    """Lines that are shown as they are: fenced, so that nobody takes them for prose."""
    fence = "~~~" if any("```" in line for line in lines) else "```"
    return lines_of("code", _statements(lines), header=fence, footer=fence)


def _statements(lines: Sequence[str]) -> list[str]:
    """Lines that belong together: what is indented, or follows a `\\` at a line's end, goes with the line before."""
    together: list[str] = []
    for line in lines:
        if together and (line[:1] in ("", " ", "\t") or together[-1].endswith("\\")):
            together[-1] += "\n" + line
        else:
            together.append(line)
    return together
