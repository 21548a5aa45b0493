"""HTML: the words that a reader of the page sees in its main part."""

import re
from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from svc_workers.extraction.blocks import Block, code, lines_of

# Not the page's own words, or never seen by a reader.
_DROPPED = frozenset(
    """nav script style noscript template svg canvas iframe object button select textarea input head footer video audio
    dialog""".split()  # noqa: SIM905
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    """address article aside blockquote body center dd details div dl dt fieldset figcaption figure form h1 h2 h3 h4 h5
    h6 header hr html li main ol p pre section summary table ul""".split()  # noqa: SIM905
)
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_ANCHOR = re.compile(r"\s*(\{#[^}]*\}|[¶#])\s*$")
_SPACE = re.compile(r"[ \t\n\r\f\u00a0]+")
_BREAK = "\x00"
_INDENT = "   "
MAX_DEPTH = 150


def read_html(markup: str) -> list[Block]:
    """Reads `<main>`, else `<article>`, else the body. Raises RecursionError beyond MAX_DEPTH nested elements."""
    tree = LexborHTMLParser(markup)
    root = tree.css_first("main") or tree.css_first("article") or tree.body
    return list(_blocks(root, 0)) if root is not None else []


def _blocks(node: Any, depth: int) -> Iterator[Block]:
    """The blocks inside `node`; runs of inline content between them become paragraphs."""
    if depth > MAX_DEPTH:
        raise RecursionError
    run: list[str] = []
    for child in node.iter(include_text=True):
        if child.tag == "-text" or (child.tag not in _BLOCKS and not _holds_block(child)):
            run.append(_inline(child, depth))
            continue
        yield from _paragraph(run)
        run = []
        if not _seen(child) or _is_site_header(child):
            continue
        yield from _block(child, depth + 1)
    yield from _paragraph(run)


def _block(node: Any, depth: int) -> Iterator[Block]:
    tag = node.tag
    if tag in _HEADINGS:
        text = _ANCHOR.sub("", _clean(_inline(node, depth))).replace("\n", " ")
        yield Block("heading", text, level=_HEADINGS[tag])
    elif tag in ("ul", "ol"):
        items = list(_items(node, depth))
        if items:
            yield lines_of("list", items)
    elif tag == "dl":
        terms = list(_definitions(node, depth))
        if terms:
            yield lines_of("list", terms)
    elif tag == "table":
        yield from _table(node, depth)
    elif tag == "pre":
        text = node.text(deep=True).strip("\n").rstrip()
        if text:
            yield code(text.split("\n"))
    else:
        yield from _blocks(node, depth)


def _paragraph(run: list[str]) -> Iterator[Block]:
    text = _clean("".join(run))
    if text:
        yield Block("paragraph", text)


def _items(node: Any, depth: int) -> Iterator[str]:
    start = (node.attributes or {}).get("start") or "1"
    number = int(start) if start.isdigit() and len(start) < 6 else 1
    for child in node.iter():
        if child.tag in ("ul", "ol"):
            # Not valid, but common: a nested list beside the items instead of in one.
            yield _indented("\n".join(_items(child, depth + 1)))
            continue
        if child.tag != "li" or not _seen(child):
            continue
        body = "\n".join(block.text for block in _blocks(child, depth + 1)) or ""
        mark = f"{number}. " if node.tag == "ol" else "- "
        number += 1
        if body.strip():
            first, _, rest = body.partition("\n")
            yield mark + first + ("\n" + _indented(rest) if rest else "")


def _definitions(node: Any, depth: int) -> Iterator[str]:
    term = ""
    for child in node.css("dt, dd"):
        text = "\n".join(block.text for block in _blocks(child, depth + 1))
        if child.tag == "dt":
            term = f"{term}, {text}" if term else text
        elif text:
            yield f"- {term}: {text}" if term else f"- {text}"
            term = ""
    if term:
        yield f"- {term}"


def _table(node: Any, depth: int) -> Iterator[Block]:
    header: list[str] | None = None
    rows: list[str] = []
    for number, row in enumerate(node.css("tr")):
        cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
        texts = [_cell(cell, depth) for cell in cells]
        if not any(texts):
            continue
        if number == 0 and all(cell.tag == "th" for cell in cells):
            header = texts
        else:
            rows.append(_row(texts))
    caption = node.css_first("caption")
    if caption is not None:
        yield from _paragraph([_inline(caption, depth)])
    if header is not None:
        top = _row(header) + "\n" + _row(["---"] * len(header))
        yield lines_of("table", rows, header=top) if rows else Block("table", _row(header))
    elif rows:
        yield lines_of("table", rows)


def _cell(cell: Any, depth: int) -> str:
    # A fence has no meaning inside of a row.
    text = " ".join(
        block.text.removeprefix(block.header).removesuffix(block.footer) if block.kind == "code" else block.text
        for block in _blocks(cell, depth + 1)
    )
    return _SPACE.sub(" ", text).strip().replace("|", "\\|")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _inline(node: Any, depth: int) -> str:
    """Text of inline content: white space as written, line breaks as a mark."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if node.tag == "-text":
        return str(node.text(deep=False))
    if node.tag == "br":
        return _BREAK
    if not _seen(node) or node.tag.startswith(("-", "!", "_")):
        return ""
    return "".join(_inline(child, depth + 1) for child in node.iter(include_text=True))


def _holds_block(node: Any) -> bool:
    """Whether an inline element wraps blocks, as `<a>` and `<span>` do on many pages."""
    return any(child.tag in _BLOCKS or _holds_block(child) for child in node.iter()) if node.child else False


def _seen(node: Any) -> bool:
    if node.tag in _DROPPED:
        return False
    attributes = node.attributes or {}
    return not (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or (attributes.get("style") and _UNSEEN.search(attributes["style"]))
    )


def _is_site_header(node: Any) -> bool:
    return node.tag == "header" and node.parent is not None and node.parent.tag == "body"


def _clean(run: str) -> str:
    lines = (_SPACE.sub(" ", line).strip() for line in run.split(_BREAK))
    return "\n".join(line for line in lines if line)


def _indented(text: str) -> str:
    return "\n".join(_INDENT + line if line.strip() else line for line in text.split("\n"))
