"""`groundline reindex`: a knowledge base into another embedding model, while it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandError
from cli.options import EdgeOption, JsonOption, KnowledgeBaseOption

if TYPE_CHECKING:
    from cli.mesh import Mesh


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(reindex)


def reindex(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="all-minilm-l6-v2, a folder in GROUNDLINE_HOME/models, or endpoint:NAME of the configured server.",
        ),
    ] = "",
    knowledge_base: KnowledgeBaseOption = "default",
    no_switch: Annotated[
        bool, typer.Option("--no-switch", help="Stop when it is ready; --switch does it later.")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only start it; the workers go on by themselves.")] = False,
    switch: Annotated[bool, typer.Option("--switch", help="Put the last one's model in force.")] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Give the last one up.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say how far the last one has come.")] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Delete vectors that are not searched any more.")
    ] = False,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Embed a knowledge base in another model beside the index that serves, then switch.

    The workers do it, batch by batch: it survives this command, and any of them. Documents that come in meanwhile are
    in both. Searches change from one model to the other at the switch, none sees both. The former vectors stay until
    --drop-old; until then the way back is as quick as the difference.

    \b
    Examples:
      groundline reindex --model bge-small-en --knowledge-base routers
      groundline reindex --status
      groundline reindex --drop-old

    \b
    Exit codes:
      0 done
      1 it could not be done, or has failed
      2 it was asked wrongly
    """
    from cli.mesh import call

    if [bool(model), switch, abort, status, drop_old].count(True) != 1:
        raise CommandError("say one of --model, --switch, --abort, --status, --drop-old", 2)
    if model:
        from cli import output, progress, reindexing

        async def work(mesh: Mesh) -> Any:
            found = await reindexing.start(mesh, knowledge_base, model)
            if no_wait:
                return found
            with progress.bars(hidden=as_json) as bar:
                found = await reindexing.until_ready(mesh, found, bar)
            return found if no_switch else await reindexing.switch(mesh, found)

        try:
            found = call(edge, "admin", work)
        except KeyboardInterrupt:
            output.note("the workers go on with it: `groundline reindex --status`; --abort gives it up")
            raise
        _show(found, as_json)
    elif drop_old:
        _drop_old(knowledge_base, edge, as_json)
    else:
        _last(knowledge_base, edge, as_json, switch=switch, abort=abort)


def _last(knowledge_base: str, edge: str | None, as_json: bool, *, switch: bool, abort: bool) -> None:
    from cli import reindexing
    from cli.mesh import call
    from groundline.knowledge.v1 import reindex_pb2 as rx

    async def work(mesh: Mesh) -> Any:
        found = await reindexing.last(mesh, knowledge_base)
        if switch:
            return await reindexing.switch(mesh, found)
        if abort:
            return (await mesh.knowledge.AbortReindex(rx.AbortReindexRequest(reindex_id=found.reindex_id))).reindex
        return found

    _show(call(edge, "admin", work), as_json)


def _drop_old(knowledge_base: str, edge: str | None, as_json: bool) -> None:
    from cli import output
    from cli.mesh import call
    from groundline.knowledge.v1 import reindex_pb2 as rx

    async def work(mesh: Mesh) -> Any:
        return await mesh.knowledge.DropFormerVectors(rx.DropFormerVectorsRequest(knowledge_base=knowledge_base))

    dropped = call(edge, "admin", work)
    if as_json:
        output.print_json(output.to_json(dropped))
    elif dropped.vector_count:
        output.say(f"{dropped.vector_count} vectors of {', '.join(dropped.embedding_models)} go in half a minute")
    else:
        output.say("there are none")


def _show(reindex: Any, as_json: bool) -> None:
    from cli import output
    from groundline.knowledge.v1 import reindex_pb2 as rx

    if as_json:
        output.print_json({"reindex": output.to_json(reindex)})
        return
    facts = [
        ("reindex", reindex.reindex_id),
        ("knowledge base", reindex.knowledge_base),
        ("state", output.word(rx.ReindexState, reindex.state, "REINDEX_STATE_")),
        ("from", reindex.former_model),
        ("to", reindex.embedding_model),
        ("embedded", f"{reindex.embedded_chunks} of {reindex.total_chunks}"),
        ("started", f"{output.moment(reindex.created_at)} by {reindex.started_by}"),
    ]
    if reindex.error:
        facts.append(("error", reindex.error))
    facts += [
        (f"replica {each.replica_id}", "ready" if each.ready else each.error or "loading") for each in reindex.servers
    ]
    output.facts(facts)
