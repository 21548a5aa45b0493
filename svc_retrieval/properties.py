"""From a request and what the document says of itself to a version's properties."""

import hashlib
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

from meshkit.errors import FieldViolation, InvalidRequest
from meshkit.identity import PUBLIC_GROUP
from meshkit.text.front_matter import FrontMatterInvalid, Properties, read_front_matter
from svc_retrieval.errors import MediaTypeUnsupported
from svc_retrieval.store.documents import Content

MEDIA_TYPES = ("text/markdown", "text/html", "text/plain")
KINDS = ("page", "approved_record")
DEFAULT_LANGUAGE = "en"
NO_SOURCE = "unsorted"

_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Submission:
    """A document as it was sent. Empty or None: take what the document says of itself."""

    knowledge_base: str
    uri: str
    media_type: str
    content: bytes
    title: str = ""
    acl: Sequence[str] = ()
    source: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """A submission's properties. `dated` is False where nobody said when it was changed: then any date will do."""

    content: Content
    dated: bool


def describe(submission: Submission, *, now: datetime) -> Described:
    """What the request says, else the document, else a default.

    Raises MediaTypeUnsupported, and InvalidRequest for content that is no text or whose front matter can't be used.
    """
    media_type = submission.media_type.partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise MediaTypeUnsupported(media_type=media_type, supported=", ".join(MEDIA_TYPES))
    text = _text(submission.content)
    try:
        own, _ = read_front_matter(text, media_type)
    except FrontMatterInvalid as exc:
        raise _invalid(str(exc), "content.front_matter") from exc
    if own.kind and own.kind not in KINDS:
        raise _invalid(f"The property kind must be one of {', '.join(KINDS)}.", "content.front_matter")
    updated_at = submission.updated_at or own.updated_at
    content = Content(
        source=submission.source or own.source,
        title=submission.title or own.title or file_name(submission.uri),
        kind=own.kind or "page",
        acl=_acl(submission, own),
        language=own.language or DEFAULT_LANGUAGE,
        product_version=own.version,
        supersedes_uri=own.supersedes,
        media_type=media_type,
        content_sha256=hashlib.sha256(submission.content).hexdigest(),
        updated_at=updated_at or now,
    )
    return Described(content, dated=updated_at is not None)


def object_key(content: Content, doc_id: object) -> str:
    """Where the original lies. By its digest too: a write that is never committed must not change an older version."""
    source = _NOT_IN_KEYS.sub("-", content.source).strip("-")[:64] or NO_SOURCE
    return f"docs/raw/{source}/{doc_id}/{content.content_sha256}"


def file_name(uri: str) -> str:
    """`manuals/v2/quick-start.txt` → `quick-start`; the uri itself where it has no path."""
    name = posixpath.splitext(posixpath.basename(unquote(urlsplit(uri).path).rstrip("/")))[0]
    return (name or uri)[:1024]


def _acl(submission: Submission, own: Properties) -> tuple[str, ...]:
    return tuple(sorted(set(submission.acl))) or own.acl or (PUBLIC_GROUP,)


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise _invalid(f"must be UTF-8; byte {exc.start} is not", "content.utf8") from exc
    if "\0" in text:
        raise _invalid("must not contain the NUL character", "content.nul")
    return text


def _invalid(description: str, rule: str) -> InvalidRequest:
    return InvalidRequest(violations=[FieldViolation("content", description, rule)])
