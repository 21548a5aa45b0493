"""Documents in passages: small enough to be one thought, whole enough to be an answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from meshkit.text.sentences import sentences
from svc_workers.extraction.blocks import Block, Extracted, Span

TARGET_TOKENS = 200
"""A passage is closed when the next block would take it well beyond this."""
WHOLE_TOKENS = 400
"""Up to this, a list, a table or an example is kept in one piece; no passage is larger."""
SLACK_TOKENS = 40
"""A passage may exceed the target by this, and a smaller rest joins the passage before it."""

_PIECE = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_LONGEST_PATH = 16
_LONGEST_HEADING = 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage. `text` is the extracted text from `start` to `end` (code points); for a part of a table or of code, in
    that table's heads or those fences. `headings` lead to it, outermost first, without the document's title."""

    text: str
    headings: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    tokens: int
    kind: str
    header: str = ""
    footer: str = ""
    introduces: bool = False


def estimate_tokens(text: str) -> int:
    """Word pieces, roughly: a word of up to 7 letters is one, each further 5 letters and each 3 digits one more."""
    count = 0
    for piece in _PIECE.finditer(text):
        length = piece.end() - piece.start()
        first = piece[0][0]
        if first.isdigit():
            count += (length + 2) // 3
        elif first.isalpha():
            # Scripts without spaces have about a piece per character.
            count += 1 + max(0, length - 3) // 5 if first.isascii() or first < "\u0590" else length
        else:
            count += 1
    return count


def chunk(document: Extracted, *, title: str) -> list[Chunk]:
    """Divides at headings, then by size. A numbered procedure of up to WHOLE_TOKENS is never divided."""
    chunks: list[Chunk] = []
    headings: list[tuple[int, str]] = []
    pieces: list[_Piece] = []

    def close() -> None:
        path = tuple(text for _, text in headings if text.casefold() != title.casefold())[:_LONGEST_PATH]
        chunks.extend(_pack(document.text, pieces, path))
        pieces.clear()

    for block, span in zip(document.blocks, document.spans, strict=True):
        if block.kind == "heading":
            close()
            while headings and headings[-1][0] >= block.level:
                headings.pop()
            headings.append((block.level, block.text[:_LONGEST_HEADING]))
        else:
            pieces.extend(_divide(block, span))
    close()
    if not chunks and document.text:
        # Headings alone are a table of contents: better one passage than none.
        chunks = [Chunk(document.text[:2000], (), 0, min(len(document.text), 2000))]
    return chunks


def _divide(block: Block, span: Span) -> Iterator[_Piece]:
    """A block as pieces of at most WHOLE_TOKENS."""
    tokens = estimate_tokens(block.text)
    if tokens <= (WHOLE_TOKENS if block.kind != "paragraph" else TARGET_TOKENS + SLACK_TOKENS):
        introduces = block.kind == "paragraph" and block.text.rstrip().endswith(":")
        yield _Piece(*span, tokens, block.kind, introduces=introduces)
        return
    units = list(block.units) or _sentences(block.text, 0)
    room = TARGET_TOKENS if block.kind != "list" else WHOLE_TOKENS
    frame = estimate_tokens(block.header) + estimate_tokens(block.footer)
    units = [part for unit in units for part in _fitting(block.text, unit, WHOLE_TOKENS - frame)]
    start, total = units[0][0], 0
    end = start
    for unit in units:
        size = estimate_tokens(block.text[unit[0] : unit[1]])
        if total and total + size > room - frame:
            yield _part(block, span[0], start, end, total + frame)
            start, total = unit[0], 0
        end = unit[1]
        total += size
    yield _part(block, span[0], start, end, total + frame)


def _part(block: Block, offset: int, start: int, end: int, tokens: int) -> _Piece:
    return _Piece(offset + start, offset + end, tokens, block.kind, block.header, block.footer)


def _fitting(text: str, unit: Span, room: int) -> Iterator[Span]:
    """A unit as it is, or by sentences, or in the end by words and characters, so that nothing exceeds `room`."""
    start, end = unit
    if estimate_tokens(text[start:end]) <= room:
        yield unit
        return
    sentences = _sentences(text[start:end], start)
    if len(sentences) > 1:
        for sentence in sentences:
            yield from _fitting(text, sentence, room)
        return
    # An endless line. A token is at least a character, so that this many always fit.
    width = max(room, 1)
    while start < end:
        stop = min(end, start + width)
        space = text.rfind(" ", start, stop)
        if stop < end and space > start:
            stop = space
        yield (start, stop)
        start = stop + (stop < end and text[stop] == " ")


def _sentences(text: str, offset: int) -> list[Span]:
    """Where sentences begin divides the text, so that nothing between them is lost."""
    starts = [each.start for each in sentences(text)][1:]
    spans: list[Span] = []
    for start, stop in zip([0, *starts], [*starts, len(text)], strict=True):
        spans.append((offset + start, offset + start + len(text[start:stop].rstrip())))
    return spans


def _pack(text: str, pieces: list[_Piece], headings: tuple[str, ...]) -> Iterator[Chunk]:
    """Joins neighbouring pieces of one section up to the target."""
    groups: list[list[_Piece]] = []
    for piece in pieces:
        if groups and _joins(groups[-1], piece):
            groups[-1].append(piece)
        elif groups and len(groups[-1]) > 1 and _belong_together(groups[-1][-1], piece):
            groups.append([groups[-1].pop(), piece])
        else:
            groups.append([piece])
    if len(groups) > 1 and _size(groups[-1]) < SLACK_TOKENS:
        rest = groups[-1]
        if not rest[0].header and not groups[-2][0].header and _size(groups[-2]) + _size(rest) <= WHOLE_TOKENS:
            groups[-2].extend(groups.pop())
    for group in groups:
        start, end = group[0].start, group[-1].end
        shown = text[start:end].rstrip()
        framed = "\n".join(part for part in (group[0].header, shown, group[0].footer) if part)
        yield Chunk(framed, headings, start, start + len(shown))


def _joins(group: list[_Piece], piece: _Piece) -> bool:
    if group[-1].header or piece.header:
        return False
    together = _size(group) + piece.tokens
    return together <= TARGET_TOKENS + SLACK_TOKENS or (len(group) == 1 and _belong_together(group[0], piece))


def _belong_together(lead: _Piece, piece: _Piece) -> bool:
    """ "Do this:" belongs to what it announces."""
    return lead.introduces and not piece.header and lead.tokens + piece.tokens <= WHOLE_TOKENS


def _size(group: list[_Piece]) -> int:
    return sum(piece.tokens for piece in group)
