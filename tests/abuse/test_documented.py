"""docs/security.md tells what these tests hold."""

from cli.stack.layout import REPOSITORY

from . import grpc_cases, rest_cases
from .kinds import KINDS, as_markdown

BEGIN, END = "<!-- begin: tests/abuse/kinds.py -->\n", "<!-- end -->"


def test_the_table_is_what_is_tried() -> None:
    rest = [each.kind for each in rest_cases.CASES]
    grpc = [each.kind for each in grpc_cases.CASES]
    text = (REPOSITORY / "docs" / "security.md").read_text()
    assert text.partition(BEGIN)[2].partition(END)[0] == as_markdown(rest, grpc)
    untried = [key for key, kind in KINDS.items() if (kind.http and key not in rest) or (kind.code and key not in grpc)]
    assert not untried
    assert {*rest, *grpc} == set(KINDS)
