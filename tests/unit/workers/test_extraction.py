"""What a reader of the page would read, and nothing else."""

import pytest

from svc_workers.extraction import Extracted, Unreadable, extract
from svc_workers.extraction.media import decode


def read(media_type: str, body: str) -> list[tuple[str, str]]:
    extracted = extract(media_type, body)
    _spans_hold(extracted)
    return [(block.kind, block.text) for block in extracted.blocks]


def _spans_hold(extracted: Extracted) -> None:
    for block, (start, end) in zip(extracted.blocks, extracted.spans, strict=True):
        assert extracted.text[start:end] == block.text
        assert all(0 <= first < last <= len(block.text) for first, last in block.units)


def test_markdown_keeps_structure_and_drops_markup() -> None:
    body = """
# A `b` *c* {#anchor}

Text with **bold**, [a link](https://x.example) and <member-id>.

1. one

   ```
   code
     more
   ```
2. two
   - nested

| A | B |
|---|---|
| 1 | x\\|y |

{{% alert %}}
Mind {{< param v >}}this.
{{% /alert %}}

<script>alert(1)</script>

~~~sh
echo {{< kept >}}
~~~
"""
    assert read("text/markdown", body) == [
        ("heading", "A b c"),
        ("paragraph", "Text with bold, a link and <member-id>."),
        ("list", "1. one\n   ```\n   code\n     more\n   ```\n2. two\n   - nested"),
        ("table", "| A | B |\n| --- | --- |\n| 1 | x\\|y |"),
        ("paragraph", "Mind this."),
        ("code", "```\necho {{< kept >}}\n```"),
    ]


def test_html_shows_what_a_reader_sees() -> None:
    body = """<html><head><title>T</title><style>p{}</style></head><body>
    <header>Site</header><nav>Menu</nav>
    <main><h1>Errors ¶</h1><p>One<br>two &amp; three</p><p hidden>no</p><p style="display: none">no</p>
    <div aria-hidden="true">no</div><div>loose <b>text</b><ul><li>a</li><li>b<ol start="3"><li>c</li></ol></li></ul>
    after</div><dl><dt>Term</dt><dd>Meaning</dd></dl><pre>
x = 1
</pre><table><tr><td>no</td><td>head</td></tr><tr><td></td><td></td></tr></table><form><p>kept</p></form>
    <template>no</template><noscript>no</noscript></main><footer>Foot</footer></body></html>"""
    assert read("text/html; charset=utf-8", body) == [
        ("heading", "Errors"),
        ("paragraph", "One\ntwo & three"),
        ("paragraph", "loose text"),
        ("list", "- a\n- b\n   3. c"),
        ("paragraph", "after"),
        ("list", "- Term: Meaning"),
        ("code", "```\nx = 1\n```"),
        ("table", "| no | head |"),
        ("paragraph", "kept"),
    ]


def test_plain_text_as_people_lay_it_out() -> None:
    body = """RESET YOUR GATEWAY

Hold the button for
twelve seconds. E-4012 may appear.
1. First step,
   with more.
2) Second.
- Bullet
Text behind.

Underlined
==========
Do this:

    ssh admin@host
      -v

lumenctl status
    Model and load.
"""
    assert read("text/plain", body) == [
        ("heading", "RESET YOUR GATEWAY"),
        ("paragraph", "Hold the button for twelve seconds. E-4012 may appear."),
        ("list", "1. First step, with more.\n2) Second.\n- Bullet"),
        ("paragraph", "Text behind."),
        ("heading", "Underlined"),
        ("paragraph", "Do this:"),
        ("code", "```\nssh admin@host\n  -v\n```"),
        ("code", "```\nlumenctl status\n    Model and load.\n```"),
    ]


def test_a_code_is_no_heading() -> None:
    assert read("text/plain", "E-4012\n\nOK.\n") == [("paragraph", "E-4012"), ("paragraph", "OK.")]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/markdown", "   \n"),
        ("text/html", "<nav>only a menu</nav>"),
        ("application/pdf", "%PDF"),
        ("text/html", "<div>" * 5000 + "deep"),
    ],
)
def test_what_can_not_be_read_says_why(media_type: str, body: str) -> None:
    with pytest.raises(Unreadable, match=r"\.$"):
        extract(media_type, body)


def test_bytes_that_are_not_utf8_are_refused_and_controls_dropped() -> None:
    with pytest.raises(Unreadable, match="byte 1"):
        decode(b"a\xff")
    assert decode("\ufeffa\x00b\r\nc\rd\x0be".encode()) == "ab\nc\nde"
