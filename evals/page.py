"""The report as blocks, and the two ways to write it: Markdown, and one HTML file that needs nothing else."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from evals.charts import Chart


@dataclass(frozen=True, slots=True)
class Heading:
    """A section's heading."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `important` is what must not be overread."""

    text: str
    important: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; the first column names the row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: Sequence[str]


Block = Heading | Text | Table | Items | Chart

_RANGE = re.compile(r"\([\d.]+–[\d.]+\)")
_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e8eb); --paper: light-dark(#fff, #14171a);
  --faint: light-dark(#d5d9de, #3a4047); --soft: light-dark(#f3f5f7, #1d2226); --s0: light-dark(#0b57a4, #7ab7ff);
  --s1: light-dark(#a3480b, #ffb27a); --s2: light-dark(#1d6b34, #7fd69a); --s3: light-dark(#7a2a86, #e0a1ec);
  --s4: light-dark(#555, #bbb); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 68rem;
  margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--faint); padding-bottom: .3rem; }
a { color: var(--s0); } a:focus-visible, .wide:focus-visible { outline: 3px solid var(--s1); outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
.wide { overflow-x: auto; } table { border-collapse: collapse; min-width: min(42rem, 100%);
  font-size: .9rem; font-variant-numeric: tabular-nums; }
caption, figcaption { text-align: left; font-weight: 600; padding: .75rem 0 .4rem; }
caption span { position: sticky; left: 0; display: inline-block; max-width: calc(min(100vw, 68rem) - 3rem); }
.range { white-space: nowrap; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--faint); vertical-align: top; }
thead th { background: var(--soft); } tbody th { font-weight: 600; }
.important { border-left: 4px solid var(--s1); background: var(--soft); padding: .5rem .9rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem 2rem; }
figure { margin: 0; max-width: 36rem; } figure p { font-size: .9rem; margin: .2rem 0; }
svg { width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 12px; } .grid { stroke: var(--faint); fill: none; }
.even { stroke: var(--ink); stroke-dasharray: 1 5; fill: none; } .line { fill: none; stroke-width: 2; }
.mark { fill: var(--paper); stroke-width: 2; }
""" + "".join(f".s{n} {{ stroke: var(--s{n}); }}\n" for n in range(5))


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """The report as Markdown. A chart is its caption and its words."""
    return "\n\n".join([f"# {title}", *(_markdown(each) for each in blocks)]) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """The report as one file: styles and drawings inside, no script, nothing loaded. Every text is escaped."""
    headings = [each.text for each in blocks if isinstance(each, Heading)]
    links = "".join(f'<li><a href="#{_anchor(each)}">{escape(each)}</a></li>' for each in headings)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#report">Skip to the report</a>\n'
        f'<header><h1>{escape(title)}</h1><nav aria-label="Sections"><ul>{links}</ul></nav></header>\n'
        f'<main id="report">\n{"".join(_html(blocks))}</main>\n</body>\n</html>\n'
    )


def _html(blocks: Sequence[Block]) -> Iterator[str]:
    charts: list[str] = []
    for each in blocks:
        if isinstance(each, Chart):
            # The drawing's label says the same as the words below it, which every reader gets.
            charts.append(f"<figure>{each.svg}<figcaption>{escape(each.caption)}</figcaption>"
                          f"<p>{escape(each.told)}</p></figure>\n")  # fmt: skip
            continue
        yield from _gathered(charts)
        yield _written(each)
    yield from _gathered(charts)


def _gathered(charts: list[str]) -> Iterator[str]:
    if charts:
        yield f'<div class="charts">{"".join(charts)}</div>\n'
        charts.clear()


def _written(block: Heading | Text | Table | Items) -> str:
    match block:
        case Heading(text):
            return f'<h2 id="{_anchor(text)}">{escape(text)}</h2>\n'
        case Text(text, important):
            attribute = ' class="important"' if important else ""
            return f"<p{attribute}>{escape(text)}</p>\n"
        case Items(items):
            return "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in items) + "</ul>\n"
        case Table(caption, head, rows):
            top = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
            body = "".join(f"<tr>{_row(first, rest)}</tr>" for first, *rest in rows)
            return (
                f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}">'
                f"<table><caption><span>{escape(caption)}</span></caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
                "</table></div>\n"
            )


def _row(first: str, rest: Sequence[str]) -> str:
    return f'<th scope="row">{escape(first)}</th>' + "".join(f"<td>{_cell(each)}</td>" for each in rest)


def _cell(text: str) -> str:
    """An interval is read as one: it moves to the next line whole."""
    return _RANGE.sub(r'<span class="range">\g<0></span>', escape(text))


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Text(text, important):
            return f"**{text}**" if important else text
        case Items(items):
            return "\n".join(f"- {each}" for each in items)
        case Table(caption, head, rows):
            lines = [head, ["---"] * len(head), *rows]
            cells = [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in each) for each in lines]
            return f"{caption}:\n\n" + "\n".join(f"| {each} |" for each in cells)
        case Chart(caption, told, _):
            return f"*{caption}.* {told}"


def _anchor(text: str) -> str:
    return "-".join("".join(char if char.isalnum() else " " for char in text.lower()).split())
