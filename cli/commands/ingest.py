"""`groundline ingest`: files into a knowledge base."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError
from cli.options import EdgeOption, JsonOption, KnowledgeBaseOption

if TYPE_CHECKING:
    from cli.ingesting import Progress, Report
    from cli.mesh import Mesh


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(ingest)


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders or files.")],
    knowledge_base: KnowledgeBaseOption = "default",
    create: Annotated[bool, typer.Option("--create", help="Make the knowledge base if there is none.")] = False,
    acl: Annotated[
        list[str] | None,
        typer.Option("--acl", help="A group that may read them (repeatable); else what each file says, else public."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Leave out paths like this, such as 'drafts/*' (repeatable).")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return before they are searchable.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds until all must be searchable.")] = 600,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in Markdown, HTML and text files, and wait until they can be found.

    A file's identity is its path within the PATH that was named: sent again, it becomes a new version, or nothing
    happens if it is the same. Paths that a PATH's .groundlineignore names are left out.

    \b
    Examples:
      groundline ingest samples/knowledge
      groundline ingest docs --knowledge-base routers --create --acl group:enterprise
      groundline ingest handbook.md --no-wait --json

    \b
    Exit codes:
      0 all files are in
      1 some could not be read (the summary names them), or the mesh could not be used
      2 it was asked wrongly
    """
    from cli.ingesting import find_sources, send, wait_indexed
    from cli.mesh import call

    sources = find_sources(paths, exclude or [])
    if not sources:
        raise CommandError("there is no .md, .html or .txt file to take in", 2)

    async def work(mesh: Mesh) -> Report:
        if create:
            await _create(mesh, knowledge_base)
        report = await send(mesh, sources, knowledge_base=knowledge_base, acl=acl or [], progress=progress)
        if not no_wait:
            await wait_indexed(mesh, report, knowledge_base=knowledge_base, timeout_s=timeout, progress=progress)
        return report

    with _bar(hidden=as_json) as progress:
        report = call(edge, "admin", work)
    if as_json:
        _print_json(report)
    else:
        _print_summary(report, knowledge_base, searchable=not no_wait)
    if report.failed:
        raise typer.Exit(1)


async def _create(mesh: Mesh, name: str) -> None:
    import grpc

    from groundline.knowledge.v1 import knowledge_service_pb2

    try:
        await mesh.knowledge.CreateKnowledgeBase(knowledge_service_pb2.CreateKnowledgeBaseRequest(name=name))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise


@contextmanager
def _bar(*, hidden: bool) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=hidden or not sys.stderr.isatty()) as drawn:
        tasks = {}

        def progress(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = drawn.add_task(phase, total=total)
            drawn.update(tasks[phase], completed=done)

        yield progress


def _print_json(report: Report) -> None:
    from cli.output import print_json, to_json

    print_json(
        {
            "changed": [to_json(each) for each in report.changed],
            "unchanged": [to_json(each) for each in report.unchanged],
            "empty": sorted(report.empty),
            "failed": [{"uri": each.uri, "reason": each.reason} for each in report.failed],
        }
    )


def _print_summary(report: Report, knowledge_base: str, *, searchable: bool) -> None:
    from cli.output import note, say

    later = "" if searchable or not report.changed else "; they will be searchable in a moment"
    say(
        f"{len(report.changed)} taken in, {len(report.unchanged)} unchanged, {len(report.empty)} without text, "
        f"{len(report.failed)} refused ({knowledge_base}){later}"
    )
    for each in report.failed:
        note(f"  {each.uri}: {each.reason}")
