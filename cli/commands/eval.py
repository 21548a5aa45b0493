"""`groundline eval`: how well search, gate and answers do on a set of questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandError
from cli.options import JsonOption

if TYPE_CHECKING:
    from evals.desk import Progress
    from evals.sets import EvalSet

SAMPLE = 1000


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("eval")(evaluate)


def evaluate(
    folder: Annotated[
        Path, typer.Option("--set", help="A folder with corpus.jsonl, queries.jsonl, qrels.tsv, … or claims.jsonl.")
    ],
    sample: Annotated[
        int,
        typer.Option(
            "--sample", "--limit", min=0, help="Ask at most so many questions, drawn alike each time; 0: all."
        ),
    ] = SAMPLE,
    part: Annotated[
        str, typer.Option("--part", help="Ask only this half of them: dev or test.", show_default="both")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Measure the product on a set of questions.

    Reads corpus.jsonl {doc_id, title, text}, queries.jsonl {query_id, text, answerable, history}, qrels.tsv
    (query_id, doc_id, score), answers.jsonl {query_id, answers} and claims.jsonl {question, answer, evidence, label}.
    Each may be gzipped; what is not there is not measured. Takes the documents into a throw-away knowledge base with a
    database of its own, asks the questions, and counts: how well pages are found, what the gate lets through, whether
    claims are told from inventions. Needs no running stack, and leaves nothing behind.

    \b
    Examples:
      groundline eval --set my/questions
      groundline eval --set my/questions --sample 0 --json
    """
    if part not in ("", "dev", "test"):
        raise CommandError(f"{part!r} is none of dev, test", 2)
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder", 2)
    from evals.sets import SetUnusable, read_set

    try:
        eval_set = read_set(folder).sampled(sample, part=part)
    except SetUnusable as error:
        raise CommandError(str(error), 2) from error
    from cli.output import note
    from cli.progress import bars

    for remark in eval_set.remarks:
        note(f"groundline eval: {remark}")
    with bars() as progress:
        found = _measure(eval_set, progress)
    if as_json:
        from cli.output import print_json

        print_json(found)
    else:
        _print(found)


def _measure(eval_set: EvalSet, progress: Progress) -> dict[str, Any]:
    from db.placement import PlacementError
    from db.postgres import PostgresError
    from evals.desk import IngestionFailed, open_desk
    from evals.measuring import measure
    from evals.summary import summary

    async def run() -> dict[str, Any]:
        async with open_desk() as desk:
            return summary(await measure(desk, eval_set, progress))

    try:
        return asyncio.run(run())
    except (PostgresError, PlacementError, IngestionFailed) as error:
        raise CommandError(str(error)) from error


def _print(found: dict[str, Any]) -> None:
    from cli.output import facts, say

    say(f"{found['set']}: {found['n']['documents']} documents, {found['n']['queries']} questions", style="bold")
    shown: list[tuple[str, object]] = []
    for name in ("ndcg_at_10", "hit_at_1", "hit_at_5", "recall_at_20", "auroc", "refusal_precision", "refusal_recall"):
        if found[name] is not None:
            low, high = found["ci95"][name]
            shown.append((name, f"{found[name]:.3f}  ({low:.3f} to {high:.3f})"))
    shown += [(name, found[name]) for name in ("answered", "wrongly_answered") if found[name] is not None]
    facts([*shown, *found["config"].items()])
