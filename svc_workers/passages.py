"""What of a document is stored: the passages, with what is shown, what is matched and what is embedded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meshkit.text.front_matter import FrontMatterInvalid, read_front_matter
from meshkit.text.lexemes import accented_text, identifier_lexemes, index_text
from svc_workers.chunking import chunk
from svc_workers.extraction import Extracted, Unreadable, extract
from svc_workers.extraction.blocks import Block, assemble
from svc_workers.extraction.media import decode

APPROVED_RECORD = "approved_record"
MAX_PASSAGES = 5000
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk. `text` is shown and cited; `matched` is what a question is compared with: the title, the headings
    and the text, or a record's sample question. `start` and `end` are code points in the extracted text."""

    text: str
    matched: str
    headings: tuple[str, ...]
    start: int
    end: int
    question: str = ""
    identifiers: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identifiers", tuple(identifier_lexemes(self.matched)))

    def words(self, *, accents: bool) -> str:
        """What is stemmed: with its accents for any configuration but the knowledge base's own."""
        return accented_text(self.matched) if accents else index_text(self.matched)

    def metadata(self) -> dict[str, Any]:
        """What stands in `doc_chunks.metadata_json`."""
        found: dict[str, Any] = {
            "heading_path": list(self.headings),
            "span_start": self.start,
            "span_end": self.end,
            "page": 0,
        }
        if self.question:
            found["question"] = self.question
        return found


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as it was understood. `language` is what it says of itself; "" if nothing."""

    extracted: Extracted
    passages: tuple[Passage, ...]
    language: str = ""


def read_document(raw: bytes, *, media_type: str, kind: str, title: str) -> Reading:
    """Passages of a page or an approved record. Raises Unreadable with a sentence for the document's author."""
    text = decode(raw)
    try:
        properties, body = read_front_matter(text, media_type)
    except FrontMatterInvalid as exc:
        raise Unreadable(str(exc)) from exc
    if kind == APPROVED_RECORD:
        return _record(body, media_type, properties.questions or (title,), properties.language)
    extracted = extract(media_type, body)
    return _bounded(Reading(extracted, tuple(_passages(extracted, title)), properties.language))


def read_case(question: str, resolution: str, tags: Sequence[str]) -> Reading:
    """Passages of a case: the resolution, found by the question and by what it says itself."""
    # As the agent wrote it: nobody laid it out as a document.
    extracted = assemble(Block("paragraph", each.strip()) for each in _BLANK_LINES.split(resolution))
    passages = [
        Passage(each.text, _with_tags(each.matched, tags), each.headings, each.start, each.end)
        for each in _passages(extracted, question)
    ]
    return _bounded(Reading(extracted, tuple(passages)))


def matched_again(title: str, metadata: Mapping[str, Any], text: str, tags: Sequence[str] = ()) -> str:
    """`Passage.matched` of a stored chunk: what it is embedded by. For a case, `title` is its question."""
    question = metadata.get("question")
    return str(question) if question else _with_tags(_matched(title, metadata.get("heading_path") or (), text), tags)


def _matched(title: str, headings: Sequence[str], text: str) -> str:
    return "\n".join(filter(None, (title, " > ".join(headings), text)))


def _with_tags(matched: str, tags: Sequence[str]) -> str:
    return "\n".join(filter(None, (matched, ", ".join(tags))))


def _record(body: str, media_type: str, questions: Sequence[str], language: str) -> Reading:
    """One passage for each way to ask; all say the wording, to the letter."""
    wording = extract(media_type, body).text if media_type.startswith("text/html") else body.strip()
    if not wording:
        raise Unreadable("The record has no wording.")
    extracted = assemble([Block("paragraph", wording)])
    asked = dict.fromkeys(" ".join(each.split()) for each in questions)
    return Reading(
        extracted,
        tuple(Passage(wording, question, (), 0, len(wording), question=question) for question in asked if question),
        language,
    )


def _passages(extracted: Extracted, title: str) -> list[Passage]:
    return [
        Passage(
            each.text,
            _matched(title, each.headings, each.text),
            each.headings,
            each.start,
            each.end,
        )
        for each in chunk(extracted, title=title)
    ]


def _bounded(reading: Reading) -> Reading:
    if len(reading.passages) > MAX_PASSAGES:
        raise Unreadable(f"The document has more than {MAX_PASSAGES} passages; divide it.")
    return reading
