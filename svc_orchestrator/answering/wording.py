"""From a draft to the customer's text, and from evidence to words without markup."""

import re
import textwrap

from groundline.evaluation.v1.evaluation_pb2 import ANSWER_FORM_LIST, ANSWER_FORM_PROCEDURE, Draft

_LINK = re.compile(r"!?\[([^\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)")
_EMPHASIS = (
    re.compile(r"(?<![\w*])(\*{1,3})(?=\S)([^*\n]+?)(?<=\S)\1(?![\w*])"),
    # `__init__.py` is a name.
    re.compile(r"(?<!\w)(_{1,3})(?=\S)([^_\n]+?)(?<=\S)\1(?!\w|\.\w)"),
)
_CODE = re.compile(r"(`{1,3})([^`\n]+)\1")
_POINTS = re.compile(
    r"^(?:(?:please )?(?:also )?(?:see (?-i:[A-Z])|(?:see|refer to|consult|read)\b.{0,80}\b(?:documentation|docs?|"
    r"guide|section|page|chapter|article|manual|document|below|above|for (?:more|further|details|instructions))\b)|"
    r"for (?:more|further|additional) [\w ]{0,40}\b(?:see|refer|read|visit|consult)\b|"
    r"the (?:steps|details|instructions) (?:are|is) (?:mentioned|described|explained|given|listed|documented|found) "
    r"(?:in|under|at|on|below|above)\b|"
    r"(?:the following|this) (?:guide|section|page|document|chapter|article|tutorial|example) (?:shows?|describes?|"
    r"explains?|covers?|walks|lists?|gives?)\b)|"
    r"\b(?:as follows|the following(?: \w+){0,3}|shown below|listed below)[.:]?$",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+", re.MULTILINE)
_SPACE = re.compile(r"[ \t]*\n[ \t]*|[ \t]{2,}")


def plain(text: str) -> str:
    """`text` without Markdown's marks, on one line. What looks like markup but isn't (`a_b`, `2*3`) is kept."""
    bare = _HEADING.sub("", _LINK.sub(r"\1", text))
    for marks in _EMPHASIS:
        bare = marks.sub(r"\2", bare)
    return _SPACE.sub(" ", _CODE.sub(r"\2", bare)).strip()


def as_written(code: str) -> str:
    """`code` with its lines as they are, but for the indentation that they have in common."""
    return "\n".join(line.rstrip() for line in textwrap.dedent(code).strip("\n").split("\n"))


def ends_as_sentence(text: str) -> bool:
    """Whether `text` ends in a mark that ends a sentence. A colon announces what follows."""
    return text.rstrip("\"'”’)]*_` ").endswith((".", "!", "?", "…", "。", "！", "？"))


def is_pointer(text: str) -> bool:
    """Whether `text` only says where to read on, or that something follows: without that it says nothing."""
    return _POINTS.search(plain(text)) is not None


def is_label(text: str) -> bool:
    """Whether `text` is only a link, as in a page's navigation: what it says is where to read on."""
    return _LINK.search(text) is not None and not any(char.isalnum() for char in _LINK.sub("", text))


def to_text(draft: Draft) -> tuple[str, list[tuple[int, int]]]:
    """The text for the customer, and each claim's place in it (code points, half-open), in the draft's order.

    Steps and items stand on lines of their own, sentences in one paragraph. Every character that is not white space
    between claims belongs to exactly one of them.
    """
    text, spans = "", list[tuple[int, int]]()
    in_lines = False
    between = "\n" if draft.form in (ANSWER_FORM_PROCEDURE, ANSWER_FORM_LIST) else " "
    for claim in draft.claims:
        if text:
            text += "\n" if in_lines or "\n" in claim.text or text.endswith(":") else between
        spans.append((len(text), len(text) + len(claim.text)))
        text += claim.text
        in_lines = "\n" in claim.text
    return text, spans
