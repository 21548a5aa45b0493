"""`groundline eval`: how well search, gate and answers do on a set of questions, and such a set from past turns."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandError
from cli.options import EdgeOption, JsonOption, KnowledgeBaseOption, SinceOption, SubjectOption

if TYPE_CHECKING:
    from evals.desk import Progress
    from evals.sets import EvalSet

SAMPLE = 1000


def register(app: typer.Typer) -> None:
    """Adds the command, and its own `export`."""
    group = typer.Typer(invoke_without_command=True, no_args_is_help=True)
    group.callback()(evaluate)
    group.command()(export)
    app.add_typer(group, name="eval")


def evaluate(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("--set", help="A folder with corpus.jsonl, queries.jsonl, qrels.tsv, … or claims.jsonl."),
    ] = None,
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
      groundline eval export --redact --since 30d --out my/questions
    """
    if context.invoked_subcommand is not None:
        return
    if folder is None:
        raise CommandError("name a folder with --set, or see `groundline eval export --help`", 2)
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


def export(
    out: Annotated[Path, typer.Option("--out", help="The folder to write; absent or empty.")],
    _redact: Annotated[bool, typer.Option("--redact", help="Always so: nothing is exported unredacted.")] = True,
    knowledge_base: KnowledgeBaseOption = "default",
    since: SinceOption = "",
    until: Annotated[str, typer.Option("--until", help="Up to when, written as --since is.", show_default="now")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Look at so many turns.")] = 10_000,
    subject: SubjectOption = None,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a question set of past conversations, redacted.

    Writes queries.jsonl (with what was said before), qrels.tsv, answers.jsonl, corpus.jsonl (of each page the passages
    that were found) and META.json, which `groundline eval --set` reads. A question can be answered where the desk
    answered it and the customer did not rate that as unhelpful, or where a person resolved it with words that stand in
    a page that was found; it can't where they stand in none, or the policy leaves it to people. All else is left out,
    and counted.

    Mail addresses, telephone, card and account numbers, secrets, long digit runs, customers' ids, agents' names and
    names in greetings and signatures are taken out before anything leaves the mesh. Names elsewhere in free text
    may remain: read the folder before you pass it on. Needs an admin's rights; who exported what is in the audit trail
    (`groundline dlq audit`).

    \b
    Examples:
      groundline eval export --redact --since 30d --out my/questions
      groundline eval export --since 2026-11-01 --until 2026-11-08 --limit 500 --out week45 --json
      groundline eval --set my/questions

    Exit codes: 0 written, 1 it could not be done (also with nothing to export), 2 it was asked wrongly.
    """
    from datetime import UTC, datetime

    from cli import output
    from cli.exporting import Wanted, check_free
    from cli.exporting import export as run
    from cli.mesh import Mesh, call
    from cli.moments import moment
    from cli.progress import bars

    begin, end = moment("--since", since), moment("--until", until) or datetime.now(UTC)
    if begin is not None and begin >= end:
        raise CommandError("--since is not before --until: there is nothing between them", 2)
    check_free(out)

    async def work(mesh: Mesh) -> dict[str, Any]:
        return await run(mesh, Wanted(knowledge_base, begin, end, limit), out, progress)

    with bars(hidden=as_json) as progress:
        found = call(edge, "admin", work, subject=subject)
    if as_json:
        output.print_json(found)
        return
    output.facts([(name.replace("_", " "), count) for name, count in found["counts"].items()])
    output.say(f"Wrote {out}: {found['counts']['queries']} questions of {found['turns']} turns, redacted.")
    if found["more"]:
        output.say(f"There are more turns than --limit {limit}: go on with a later --since, or raise it.")


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
