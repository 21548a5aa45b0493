"""What a document says about itself: YAML between `---` lines, or `<meta name="groundline:…">` in HTML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml
from selectolax.lexbor import LexborHTMLParser
from yaml.composer import ComposerError

HTML = "text/html"
PLAIN = "text/plain"
META_PREFIX = "groundline:"

MAX_FRONT_MATTER_CHARS = 65_536
# What any property needs is a list within a mapping; what is nested much deeper is not read to the stack's end.
MAX_NESTING = 16
MAX_GROUPS = 64
MAX_QUESTIONS = 100
# The longest value that each property may have, in code points. A list's bound is of each of its items.
MAX_CHARS: Mapping[str, int] = {
    "title": 1024,
    "source": 128,
    "product": 128,
    "version": 64,
    "language": 35,
    "kind": 32,
    "supersedes": 2048,
    "updated_at": 64,
    "acl": 128,
    "questions": 1024,
}

# The closing line may be the last one of the file.
_YAML = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_MARKDOWN_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


class FrontMatterInvalid(ValueError):
    """The document's own properties can't be used. The text is a sentence for its author, without the values."""


class _Loader(yaml.BaseLoader):
    """Keeps every scalar as written: `version: 2.10` is no number, `language: no` no boolean. Bounded in depth."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self._depth == MAX_NESTING:
            raise ComposerError(None, None, "nested too deeply", parent.start_mark if parent else None)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


@dataclass(frozen=True, slots=True)
class Properties:
    """As the author wrote them; "", None or empty where nothing was said. `acl` is None if left out, never empty.

    `title` is the front matter's, else `<title>`, else the first heading. `version` is the product's version.
    `supersedes` is the uri of the page that this one replaces, without a leading `/` or `./`.
    """

    title: str = ""
    acl: tuple[str, ...] | None = None
    source: str = ""
    product: str = ""
    kind: str = ""
    version: str = ""
    supersedes: str = ""
    language: str = ""
    updated_at: datetime | None = None
    questions: tuple[str, ...] = ()


def read_front_matter(text: str, media_type: str) -> tuple[Properties, str]:
    """The properties of a document, and its body: what stands after the front matter (of HTML: all of it).

    Raises FrontMatterInvalid rather than guess: a page whose access list can't be read must not become public.
    """
    text = text.removeprefix("\ufeff")
    kind = media_type.partition(";")[0].strip().lower()
    if kind == HTML:
        return _from_html(text), text
    match = _YAML.match(text)
    values = _parse(match[1]) if match else None
    # Two rulings with prose between them are no front matter.
    body = text[match.end() :] if match and values is not None else text
    # In plain text a line that begins with # is anything but a heading.
    title = "" if kind == PLAIN else _first_heading(body)
    return _properties(values or {}, title=title), body


def _parse(source: str) -> Mapping[str, object] | None:
    if len(source) > MAX_FRONT_MATTER_CHARS:
        raise FrontMatterInvalid(f"The front matter is longer than {MAX_FRONT_MATTER_CHARS} characters.")
    try:
        values = yaml.load(source, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" in line {mark.line + 2}" if mark else ""
        raise FrontMatterInvalid(f"The front matter is not valid YAML{where}.") from exc
    return values if isinstance(values, dict) else None


def _from_html(text: str) -> Properties:
    tree = LexborHTMLParser(text)
    values: dict[str, object] = {}
    for node in tree.css("meta[name][content]"):
        name, content = node.attributes.get("name") or "", node.attributes.get("content") or ""
        if name.startswith(META_PREFIX):
            key = name.removeprefix(META_PREFIX)
            if key == "questions" and isinstance(values.get(key), list):
                values[key] = [*_list(values, key), content]
            else:
                values[key] = [content] if key == "questions" else content
    root = tree.root
    if "language" not in values and root is not None and root.attributes.get("lang"):
        values["language"] = root.attributes["lang"]
    return _properties(values, title=_text(tree, "title") or _text(tree, "h1"))


def _text(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return " ".join(node.text().split())[: MAX_CHARS["title"]] if node is not None else ""


def _first_heading(body: str) -> str:
    match = _MARKDOWN_HEADING.search(body)
    return match[1].strip()[: MAX_CHARS["title"]] if match else ""


def _properties(values: Mapping[str, object], *, title: str) -> Properties:
    acl = None
    if "acl" in values:
        acl = tuple(sorted({group for group in _list(values, "acl") if group}))
        if not 0 < len(acl) <= MAX_GROUPS:
            raise FrontMatterInvalid(f"The property acl must name 1 to {MAX_GROUPS} groups.")
    questions = tuple(each for each in _list(values, "questions") if each) if "questions" in values else ()
    if len(questions) > MAX_QUESTIONS:
        raise FrontMatterInvalid(f"The property questions may hold at most {MAX_QUESTIONS}.")
    supersedes = _scalar(values, "supersedes")
    return Properties(
        title=" ".join(_scalar(values, "title").split()) or title,
        acl=acl,
        source=_scalar(values, "source"),
        product=_scalar(values, "product"),
        kind=_scalar(values, "kind"),
        version=_scalar(values, "version"),
        supersedes=supersedes.removeprefix("./").lstrip("/"),
        language=_scalar(values, "language"),
        updated_at=_moment(_scalar(values, "updated_at")),
        questions=questions,
    )


def _scalar(values: Mapping[str, object], key: str) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise FrontMatterInvalid(f"The property {key} must be one value.")
    return _bounded(key, value)


def _list(values: Mapping[str, object], key: str) -> list[str]:
    value = values[key]
    if isinstance(value, str):
        value = value.split(",") if key == "acl" else [value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FrontMatterInvalid(f"The property {key} must be a list of texts.")
    return [_bounded(key, each) for each in value]


def _bounded(key: str, value: str) -> str:
    value = value.strip()
    if len(value) > MAX_CHARS[key]:
        raise FrontMatterInvalid(f"The property {key} is longer than {MAX_CHARS[key]} characters.")
    if "\0" in value:
        raise FrontMatterInvalid(f"The property {key} must not contain the NUL character.")
    return value


def _moment(value: str) -> datetime | None:
    """An ISO date or time; without a zone it is UTC."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise FrontMatterInvalid("The property updated_at must be an ISO 8601 date or time.") from exc
