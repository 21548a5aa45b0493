"""`groundline document`: what a knowledge base holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import EdgeOption, JsonOption, LimitOption

if TYPE_CHECKING:
    from cli.mesh import Mesh


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    document = typer.Typer(no_args_is_help=True, help="Documents: list, delete.")
    document.command("list")(list_)
    document.command()(delete)
    app.add_typer(document, name="document")


def list_(
    knowledge_base: Annotated[str, typer.Option("--knowledge-base", "-k", help="Only of this one.")] = "",
    state: Annotated[str | None, typer.Option("--state", help="pending, indexed, failed or deleted.")] = None,
    uri: Annotated[str, typer.Option("--uri", help="Only this one.")] = "",
    limit: LimitOption = 1000,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List documents.

    \b
    Examples:
      groundline document list
      groundline document list --state failed --json
    """
    from cli import output
    from cli.mesh import call, every
    from groundline.knowledge.v1 import knowledge_pb2 as pb
    from groundline.knowledge.v1 import knowledge_service_pb2 as service_pb

    request = service_pb.ListDocumentsRequest(knowledge_base=knowledge_base, uri=uri)
    if state is not None:
        request.state = pb.DocumentState.ValueType(output.value_of(pb.DocumentState, state, "DOCUMENT_STATE_"))

    async def work(mesh: Mesh) -> list[Any]:
        return [each async for each in every(mesh.knowledge.ListDocuments, request, "documents", limit=limit)]

    documents = call(edge, "admin", work)
    if as_json:
        output.print_json({"documents": [output.to_json(each) for each in documents]})
        return
    output.table(
        ("document", "state", "version", "chunks", "readers", "uri", "title"),
        (
            (
                each.doc_id,
                output.word(pb.DocumentState, each.state, "DOCUMENT_STATE_"),
                each.version,
                each.chunk_count,
                ",".join(each.acl),
                each.uri,
                output.shorten(each.error or each.title, 60),
            )
            for each in documents
        ),
        empty="there are no such documents",
    )


def delete(
    documents: Annotated[list[str], typer.Argument(metavar="ID|URI...", help="Ids, or uris within --knowledge-base.")],
    knowledge_base: Annotated[str, typer.Option("--knowledge-base", "-k", help="Where the uris are.")] = "default",
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove documents: from now on nothing is answered from them.

    \b
    Example:
      groundline document delete pricing/price-list-2024.md
    """
    from cli import output
    from cli.errors import CommandError
    from cli.mesh import call
    from groundline.knowledge.v1 import knowledge_service_pb2 as service_pb

    async def work(mesh: Mesh) -> list[str]:
        removed = []
        for each in documents:
            doc_id = each if _is_id(each) else None
            if doc_id is None:
                request = service_pb.ListDocumentsRequest(knowledge_base=knowledge_base, uri=each)
                found = (await mesh.knowledge.ListDocuments(request)).documents
                if not found:
                    raise CommandError(f"{knowledge_base} has no document {each}")
                doc_id = str(found[0].doc_id)
            await mesh.knowledge.DeleteDocument(service_pb.DeleteDocumentRequest(doc_id=doc_id))
            removed.append(doc_id)
        return removed

    removed = call(edge, "admin", work)
    if as_json:
        output.print_json({"deleted": removed})
    else:
        output.say(f"{len(removed)} removed")


def _is_id(text: str) -> bool:
    import uuid

    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
