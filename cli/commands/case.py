"""`groundline case`: what was learned from resolved conversations, for people to approve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import EdgeOption, JsonOption, LimitOption, SubjectOption

if TYPE_CHECKING:
    from cli.mesh import Mesh

CaseArgument = Annotated[str, typer.Argument(metavar="ID", help="The case.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    case = typer.Typer(no_args_is_help=True, help="Learned cases: list, approve, reject.")
    case.command("list")(list_)
    case.command()(approve)
    case.command()(reject)
    app.add_typer(case, name="case")


def list_(
    state: Annotated[str | None, typer.Option("--state", help="pending_review, approved or rejected.")] = None,
    limit: LimitOption = 50,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List cases, newest first.

    \b
    Example:
      groundline case list --state pending_review
    """
    from cli import output
    from cli.mesh import call, every
    from groundline.knowledge.v1 import knowledge_pb2 as pb
    from groundline.knowledge.v1 import knowledge_service_pb2 as service_pb

    request = service_pb.ListCasesRequest()
    if state is not None:
        request.state = pb.CaseState.ValueType(output.value_of(pb.CaseState, state, "CASE_STATE_"))

    async def work(mesh: Mesh) -> list[Any]:
        return [each async for each in every(mesh.knowledge.ListCases, request, "cases", limit=limit)]

    cases = call(edge, "agent", work)
    if as_json:
        output.print_json({"cases": [output.to_json(each) for each in cases]})
        return
    output.table(
        ("case", "state", "made", "question", "resolution"),
        (
            (
                each.case_id,
                output.word(pb.CaseState, each.state, "CASE_STATE_"),
                output.moment(each.created_at),
                output.shorten(each.question, 60),
                output.shorten(each.resolution, 60),
            )
            for each in cases
        ),
        empty="there are no such cases",
    )


def approve(
    case_id: CaseArgument, subject: SubjectOption = None, edge: EdgeOption = None, as_json: JsonOption = False
) -> None:
    """Let other customers be answered from a case.

    \b
    Example:
      groundline case approve 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
    """
    _review("ApproveCase", case_id, subject, edge, as_json)


def reject(
    case_id: CaseArgument, subject: SubjectOption = None, edge: EdgeOption = None, as_json: JsonOption = False
) -> None:
    """Keep everybody from being answered from a case, also if it was approved before.

    \b
    Example:
      groundline case reject 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
    """
    _review("RejectCase", case_id, subject, edge, as_json)


def _review(method: str, case_id: str, subject: str | None, edge: str | None, as_json: bool) -> None:
    from cli import output
    from cli.mesh import call
    from groundline.knowledge.v1 import knowledge_pb2 as pb
    from groundline.knowledge.v1 import knowledge_service_pb2 as service_pb

    request = getattr(service_pb, f"{method}Request")(case_id=case_id)

    async def work(mesh: Mesh) -> Any:
        return (await getattr(mesh.knowledge, method)(request)).case

    case = call(edge, "agent", work, subject=subject)
    if as_json:
        output.print_json({"case": output.to_json(case)})
    else:
        output.say(output.word(pb.CaseState, case.state, "CASE_STATE_"))
