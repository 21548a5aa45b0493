"""Plain text as people lay it out: capitals or underlines as headings, numbered steps, indented examples."""

import re
from collections.abc import Iterator

from svc_workers.extraction.blocks import Block, code, lines_of

_UNDERLINE = re.compile(r"^(={3,}|-{3,}|~{3,})\s*$")
_ITEM = re.compile(r"^\s{0,8}(?:(\d{1,3})[.)]|[-*•–])\s+\S")
_LONGEST_HEADING = 80


def read_plain(body: str) -> list[Block]:
    """Reads paragraphs that blank lines separate. Hard-wrapped lines are joined; indented ones keep their breaks."""
    blocks: list[Block] = []
    for lines in _paragraphs(body.expandtabs(4)):
        blocks.extend(_read(lines))
    return blocks


def _paragraphs(body: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in body.split("\n"):
        if line.strip():
            lines.append(line.rstrip())
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _read(lines: list[str]) -> Iterator[Block]:
    if len(lines) > 1 and _UNDERLINE.match(lines[1]):
        yield Block("heading", lines[0].strip(), level=1 if lines[1][0] == "=" else 2)
        lines = lines[2:]
    elif _shouts(lines[0]):
        yield Block("heading", lines[0].strip().rstrip(":"), level=2)
        lines = lines[1:]
    while lines:
        # A list may follow its lead-in without a blank line between them, and text may follow a list.
        if _ITEM.match(lines[0]):
            items, lines = _items(lines)
            yield lines_of("list", items)
            continue
        end = next((at for at, line in enumerate(lines) if at and _ITEM.match(line)), len(lines))
        yield _prose(lines[:end])
        lines = lines[end:]


def _items(lines: list[str]) -> tuple[list[str], list[str]]:
    items: list[str] = []
    for at, line in enumerate(lines):
        if _ITEM.match(line):
            items.append(line.strip() if len(line) - len(line.lstrip()) < 2 else line)
        elif line[0] == " ":
            items[-1] += " " + line.strip()
        else:
            return items, lines[at:]
    return items, []


def _prose(lines: list[str]) -> Block:
    if all(line[0] == " " for line in lines):
        margin = min(len(line) - len(line.lstrip()) for line in lines)
        return code([line[margin:] for line in lines])
    if any(line[0] == " " for line in lines):
        return code(lines)
    return Block("paragraph", " ".join(line.strip() for line in lines))


def _shouts(line: str) -> bool:
    """Whether a line is a heading in capitals: `WHAT IS SWITCHED OFF`, but not `E-4012`."""
    letters = [char for char in line if char.isalpha()]
    words = [word for word in line.split() if sum(char.isalpha() for char in word) > 1]
    return (
        len(line.strip()) <= _LONGEST_HEADING
        and line[0] != " "
        and not _ITEM.match(line)
        and not line.rstrip().endswith((".", ";", ","))
        and bool(words)
        and len(letters) >= 4
        and all(char.isupper() for char in letters if char.lower() != char.upper())
    )
