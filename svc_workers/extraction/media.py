"""Which reader reads which media type."""

from collections.abc import Callable, Mapping

from svc_workers.extraction.blocks import Block, Extracted, Unreadable, assemble
from svc_workers.extraction.html import read_html
from svc_workers.extraction.markdown import read_markdown
from svc_workers.extraction.plain import read_plain

READERS: Mapping[str, Callable[[str], list[Block]]] = {
    "text/markdown": read_markdown,
    "text/html": read_html,
    "text/plain": read_plain,
}
# PostgreSQL's text holds no NUL, and no reader has a use for the other control characters.
_DROPPED = dict.fromkeys([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xFEFF])


def decode(raw: bytes) -> str:
    """The document as text with `\\n` line ends and without control characters. Raises Unreadable."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Unreadable(f"The document is not UTF-8 text: byte {exc.start} can't be read.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_DROPPED)


def extract(media_type: str, body: str) -> Extracted:
    """Reads `body` (without front matter). Raises Unreadable if there is no reader or nothing to read."""
    reader = READERS.get(media_type.partition(";")[0].strip().lower())
    if reader is None:
        raise Unreadable(f"Documents of type {media_type!r} can't be read; {', '.join(READERS)} can.")
    try:
        extracted = assemble(reader(body))
    except RecursionError:
        raise Unreadable("The document is nested too deeply to be read.") from None
    if not extracted.text.strip():
        raise Unreadable("The document has no text.")
    return extracted
