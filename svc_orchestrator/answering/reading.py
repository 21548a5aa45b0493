"""The evidence as an answerer reads it: which passages may be used, and what each of their lines says."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from groundline.retrieval.v1.evidence_pb2 import EVIDENCE_KIND_APPROVED_RECORD, Evidence, EvidencePack
from meshkit.text.blocks import Block, BlockKind, blocks, cells
from meshkit.text.exact_names import exact_names, stands_in
from meshkit.text.languages import stemmer_of
from meshkit.text.quantities import quantities
from meshkit.text.sentences import sentences
from meshkit.text.versions import is_for, named_versions, numbered_names, speaks_of_another, version_of
from meshkit.text.words import words
from svc_orchestrator.answering.wanted import Wanted
from svc_orchestrator.answering.wording import ends_as_sentence

_PART = re.compile(r"\d+")
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence or table row of a passage: its span in the evidence's text, and what a reader is shown of it."""

    passage: "Passage"
    index: int
    """Its place among the passage's lines."""
    start: int
    end: int
    shown: str
    kind: BlockKind
    header: tuple[int, int] | None = None
    """For a row: the span of the row that names its columns."""
    ordinal: int | None = None
    place: int = 0
    """Its block's place among the passage's blocks."""
    code: tuple[int, int] | None = None
    """For the words that announce an example: the span of its code, which stands directly below."""

    @property
    def text(self) -> str:
        """The evidence's own characters."""
        return self.passage.evidence.text[self.start : self.end]


@dataclass(frozen=True)
class Passage:
    """A piece of evidence with its blocks and lines."""

    evidence: Evidence
    rank: int

    @cached_property
    def context(self) -> str:
        """Title and headings."""
        return "\n".join((self.evidence.title, *self.evidence.heading_path))

    @property
    def heading(self) -> str:
        """The innermost heading, or the title."""
        path = self.evidence.heading_path
        return path[-1] if path else self.evidence.title

    @property
    def record_match(self) -> float:
        """How well an approved record's wordings match the question: half by meaning, half by all that search knows."""
        cosine = next((each.score for each in self.evidence.signals if each.name == "cosine"), 0.0)
        return (cosine + self.evidence.score) / 2

    @property
    def is_record(self) -> bool:
        return self.evidence.kind == EVIDENCE_KIND_APPROVED_RECORD

    @cached_property
    def blocks(self) -> list[Block]:
        return blocks(self.evidence.text)

    @cached_property
    def lines(self) -> list[Line]:
        """Sentences, list items' sentences and rows; no headings, code or rows of column names."""
        text, header, found = self.evidence.text, None, list[Line]()
        places = {block.start: place for place, block in enumerate(self.blocks)}
        for each in sentences(text):
            block = each.block
            at = places[block.start]
            if block.kind is BlockKind.ROW and block.header:
                header = block
            elif block.kind is BlockKind.ROW:
                shown = shown_row(text, block, header)
                place = (header.start, header.end) if header else None
                found.append(Line(self, len(found), each.start, each.end, shown, block.kind, place, place=at))
            elif block.kind in (BlockKind.PARAGRAPH, BlockKind.ITEM):
                shown = text[each.start : each.end]
                code = self._announced(at) if each.end == block.end and not ends_as_sentence(shown) else None
                found.append(
                    Line(self, len(found), each.start, each.end, shown, block.kind, None, block.ordinal, at, code)
                )
        return found

    def _announced(self, place: int) -> tuple[int, int] | None:
        """The span of the code directly behind a block."""
        below = self.blocks[place + 1] if place + 1 < len(self.blocks) else None
        return (below.start, below.end) if below is not None and below.kind is BlockKind.CODE else None


def shown_row(text: str, row: Block, header: Block | None) -> str:
    """A table row as a person says it: its first cell, then each further one with its column's name."""
    values = cells(text, row)
    names = cells(text, header) if header is not None else []
    if len(names) != len(values):
        return " – ".join(each for each in values if each)
    pairs = [f"{name}: {value}" if name else value for name, value in zip(names, values, strict=True) if value]
    if len(values) < 2 or not values[0]:
        return "; ".join(pairs)
    # A number alone says nothing: of what it is, its column says.
    first = f"{names[0]} {values[0]}".strip() if _NUMBER.fullmatch(values[0]) else values[0]
    return f"{first} – {'; '.join(pairs[1:])}"


class Reading:
    """One question with its pack."""

    def __init__(self, question: str, pack: EvidencePack) -> None:
        self.question = question
        self.names = exact_names(question)
        self.wanted = Wanted(question)
        self._stemmer = stemmer_of(pack.diagnostics.text_configuration)
        self._terms = {each.lexeme: each.idf for each in pack.diagnostics.terms if each.idf > 0}
        if not self._terms:
            self._terms = {each.stem: 1.0 for each in words(question) if not each.stop}
        self.passages = [Passage(each, rank) for rank, each in enumerate(pack.evidence)]
        self.usable = self._usable()
        self._numbered = numbered_names(question, (f"{each.context}\n{each.evidence.text}" for each in self.passages))

    def _usable(self) -> list[Passage]:
        """Documents and cases, best first: current ones for the version asked about, if there are any."""
        documents = [each for each in self.passages if not each.is_record]
        current = [each for each in documents if not each.evidence.HasField("superseded_by_doc_id")]
        versioned = [
            (version_of(each.evidence.product_version, each.evidence.doc_uri), each.context.replace("\n", " . "))
            for each in self.passages
        ]
        named = named_versions(self.question, versioned)
        fitting = [each for each in current if is_for(versioned[each.rank][0], named)]
        # Of pages that fit alike, the newest version's comes first.
        age = {
            rank: tuple(-int(part) for part in _PART.findall(version)) for rank, (version, _) in enumerate(versioned)
        }
        return sorted(
            fitting or current or documents,
            key=lambda each: (-round(each.evidence.score, 6), age[each.rank], each.rank),
        )

    @cached_property
    def amounts(self) -> list[float]:
        """The plain numbers in the question that are no part of a name (`Acme 2`)."""
        named = {number for numbers in self._numbered.values() for number in numbers}
        found = [each.value for each in quantities(self.question) if each.value not in named]
        return [float(each) for each in found if each.replace(".", "", 1).isdigit()]

    def best_record(self, least: float) -> Passage | None:
        """The current approved record that was found best, of those that match the question at least so well."""
        records = [
            each
            for each in self.passages
            if each.is_record and each.record_match >= least and not each.evidence.HasField("superseded_by_doc_id")
        ]
        return max(records, key=lambda each: (each.evidence.score, -each.rank), default=None)

    def is_about_another(self, text: str) -> bool:
        """Whether the text speaks only of another `Acme 2` than the question does."""
        return speaks_of_another(text, self._numbered)

    def coverage(self, text: str, part: str = "") -> float:
        """The share of the question's weight (idf), or of one part of it, that stands in `text`, 0 to 1."""
        asked = self._terms
        if part:
            said = {each.stem for each in words(part, self._stemmer)}
            asked = {lexeme: idf for lexeme, idf in asked.items() if _has(lexeme, said, part)}
        total = math.fsum(asked.values())
        if not total:
            return 0.0
        stems = {each.stem for each in words(text, self._stemmer)}
        return math.fsum(idf for lexeme, idf in asked.items() if _has(lexeme, stems, text)) / total

    @cached_property
    def subjects(self) -> list[Passage]:
        """The passages about the exact names in the question, best first: under a heading with all of them, or on a
        page of theirs; the page's own beginning first, for that says what they mean."""
        by_heading = [each for each in self.usable if self.holds_names([*each.evidence.heading_path])]
        headed = {each.evidence.doc_id for each in by_heading}
        by_title = [
            each
            for each in self.usable
            if each not in by_heading
            and self.holds_names([each.context])
            and (each.evidence.doc_id not in headed or (not each.evidence.heading_path and self._is_their_page(each)))
        ]
        return sorted((*by_heading, *by_title), key=lambda each: (-each.evidence.score, each.rank))

    def _is_their_page(self, passage: Passage) -> bool:
        """Whether the page's title names what the question names, and nothing else: no list of many codes."""
        return bool(self.names) and set(exact_names(passage.evidence.title)) == set(self.names)

    def holds_names(self, texts: Sequence[str]) -> bool:
        """Whether the question names something exactly, and all of it stands in `texts`."""
        together = "\n".join(texts)
        return bool(self.names) and all(stands_in(each, together) for each in self.names)


def _has(lexeme: str, stems: set[str], text: str) -> bool:
    # `id:` marks an identifier that the index holds whole.
    lexeme = lexeme.removeprefix("id:")
    return lexeme in stems or (not lexeme.isalpha() and stands_in(lexeme, text))
