"""A set's corpus as documents that the product takes, and which of them each page is found as."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evals.sets import Document
from svc_retrieval.properties import Submission

# What one CreateDocument may carry (the contract's bound on `content`), with room for a long last paragraph.
MOST_BYTES = 600_000
LONGEST_URI, LONGEST_TITLE = 2048, 1024
_TITLE_WORDS = 12
_NOT_IN_URIS = re.compile(r"[\s\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Corpus:
    """`submissions` in the corpus's order, and for each uri the id that its document counts as."""

    submissions: Sequence[Submission]
    doc_ids: Mapping[str, str]


def to_corpus(documents: Sequence[Document]) -> Corpus:
    """Each document under its id as uri, or under a made-up one where the id is none that the product takes.

    What is longer than one document may be becomes several, as its owner would have to do it; all count as the page.
    """
    submissions, doc_ids = [], {}
    for number, document in enumerate(documents):
        for part, text in enumerate(_parts(document.text)):
            uri = document.doc_id if not part and _is_uri(document.doc_id) else f"evals:{number}/{part}"
            # A corpus is text: what looks like a document's own properties is not to be obeyed.
            content = f"\n{text}" if text.startswith(("---", "\ufeff")) else text
            title = document.title[:LONGEST_TITLE] or _first_words(document.text)
            submissions.append(Submission("default", uri, "text/plain", content.encode(), title=title))
            doc_ids[uri] = document.page
    return Corpus(submissions, doc_ids)


def _is_uri(doc_id: str) -> bool:
    return 0 < len(doc_id) <= LONGEST_URI and not _NOT_IN_URIS.search(doc_id) and not doc_id.startswith("evals:")


def _first_words(text: str) -> str:
    """What a page without a title is called: an id says nothing to a reader, and would be searched as if it did."""
    return " ".join(text[:1000].split()[:_TITLE_WORDS])[:LONGEST_TITLE]


def _parts(text: str) -> Iterator[str]:
    if len(text) * 4 <= MOST_BYTES or len(text.encode()) <= MOST_BYTES:
        yield text
        return
    # At most four bytes a character.
    most, start = MOST_BYTES // 4, 0
    while start < len(text):
        end = min(start + most, len(text))
        if end < len(text):
            cut = max(text.rfind("\n\n", start + most // 2, end), text.rfind(". ", start + most // 2, end) + 1)
            end = cut if cut > start else end
        yield text[start:end]
        start = end
