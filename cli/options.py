"""Options that several commands share. Nothing heavy is imported here: every command's `--help` loads it."""

from __future__ import annotations

from typing import Annotated

import typer

EdgeOption = Annotated[
    str | None,
    typer.Option("--edge", envvar="GROUNDLINE_EDGE", help="host:port of the edge.", show_default="127.0.0.1:8080"),
]
SubjectOption = Annotated[
    str | None,
    typer.Option(
        "--subject", envvar="GROUNDLINE_SUBJECT", help="Who does it, as others will see it.", show_default="your login"
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
SinceOption = Annotated[
    str, typer.Option("--since", help="How far back: 90m, 24h, 7d, or an ISO time; empty means from the beginning.")
]
KnowledgeBaseOption = Annotated[
    str, typer.Option("--knowledge-base", "-k", help="The knowledge base.", show_default="default")
]

EXIT_CODES = "Exit codes: 0 done, 1 it could not be done, 2 it was asked wrongly."
