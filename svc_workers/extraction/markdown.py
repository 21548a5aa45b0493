"""Markdown, by way of HTML: so that a table or list is read alike however it was written."""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from svc_workers.extraction.blocks import Block
from svc_workers.extraction.html import read_html

# Elements that authors mean as HTML when they write them into Markdown. `<member-id>` is a placeholder, and is kept.
_HTML = frozenset(
    """a abbr address article aside b bdi bdo blockquote br caption center cite code col colgroup dd del details dfn
    div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav noscript
    ol p picture pre q s samp script section small source span strike strong style sub summary sup svg table tbody
    td template tfoot th thead time tr u ul var video iframe""".split()  # noqa: SIM905
)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)([^<>]*)>")
_SHORTCODE = re.compile(r"\{\{[<%].*?[%>]\}\}")
_FENCE = re.compile(r"^\s{0,12}(`{3,}|~{3,})")


def read_markdown(body: str) -> list[Block]:
    """Reads CommonMark with tables and strike-through, HTML inside included."""
    return read_html(_parser.render(_without_shortcodes(body)))


def _without_shortcodes(body: str) -> str:
    """Drops `{{< … >}}` and `{{% … %}}` of site generators outside of code: they are instructions, not words."""
    if "{{" not in body:
        return body
    lines: list[str] = []
    fence = ""
    for line in body.split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        lines.append(line if fence else _SHORTCODE.sub("", line))
    return "\n".join(lines)


def _html(_self: RendererHTML, tokens: Sequence[Token], idx: int, _options: object, _env: object) -> str:
    return _TAG.sub(_escape_unless_html, str(tokens[idx].content))


def _escape_unless_html(tag: re.Match[str]) -> str:
    return tag[0] if tag[2].lower() in _HTML else f"&lt;{tag[1]}{tag[2]}{tag[3]}&gt;"


def _build() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.add_render_rule("html_inline", _html)
    parser.add_render_rule("html_block", _html)
    return parser


_parser = _build()
