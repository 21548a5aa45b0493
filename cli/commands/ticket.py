"""`groundline ticket`: the agents' side of the desk."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import EdgeOption, JsonOption, LimitOption, SubjectOption

if TYPE_CHECKING:
    from cli.mesh import Mesh

TicketArgument = Annotated[str, typer.Argument(metavar="ID", help="The ticket.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    ticket = typer.Typer(no_args_is_help=True, help="Tickets: list, show, reply, resolve.")
    ticket.command("list")(list_)
    for command in (show, reply, resolve):
        ticket.command()(command)
    app.add_typer(ticket, name="ticket")


def list_(
    status: Annotated[str | None, typer.Option("--status", help="open, pending, resolved or closed.")] = None,
    queue: Annotated[str, typer.Option("--queue", help="Only in this queue.")] = "",
    assigned_to: Annotated[str, typer.Option("--assigned-to", help="Only of this agent.")] = "",
    limit: LimitOption = 50,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tickets, latest change first.

    \b
    Examples:
      groundline ticket list --status open
      groundline ticket list --assigned-to ada --json
    """
    from cli import output
    from cli.mesh import call, every
    from groundline.evaluation.v1 import reason_code_pb2
    from groundline.ticketing.v1 import ticketing_pb2 as pb
    from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb

    request = service_pb.ListTicketsRequest(queue=queue, assigned_to=assigned_to)
    if status is not None:
        request.status = pb.TicketStatus.ValueType(output.value_of(pb.TicketStatus, status, "TICKET_STATUS_"))

    async def work(mesh: Mesh) -> list[Any]:
        return [each async for each in every(mesh.ticketing.ListTickets, request, "tickets", limit=limit)]

    tickets = call(edge, "agent", work)
    if as_json:
        output.print_json({"tickets": [output.to_json(each) for each in tickets]})
        return
    output.table(
        ("ticket", "status", "priority", "reason", "assigned", "changed", "summary"),
        (
            (
                each.ticket_id,
                output.word(pb.TicketStatus, each.status, "TICKET_STATUS_"),
                output.word(pb.TicketPriority, each.priority, "TICKET_PRIORITY_"),
                reason_code_pb2.ReasonCode.Name(each.escalation_reason).removeprefix("REASON_CODE_"),
                each.assigned_to or "-",
                output.moment(each.updated_at),
                output.shorten(each.summary, 80),
            )
            for each in tickets
        ),
        empty="there are no such tickets",
    )


def show(ticket_id: TicketArgument, edge: EdgeOption = None, as_json: JsonOption = False) -> None:
    """Show a ticket: why, what was said, what was found, what the bot would not say, and the comments.

    \b
    Example:
      groundline ticket show 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
    """
    from cli import output
    from cli.mesh import call, every
    from cli.ticket_view import print_ticket
    from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb

    async def work(mesh: Mesh) -> tuple[Any, list[Any]]:
        found = await mesh.ticketing.GetTicket(service_pb.GetTicketRequest(ticket_id=ticket_id))
        request = service_pb.ListCommentsRequest(ticket_id=ticket_id)
        return found.ticket, [each async for each in every(mesh.ticketing.ListComments, request, "comments")]

    ticket, comments = call(edge, "agent", work)
    if as_json:
        output.print_json({"ticket": output.to_json(ticket), "comments": [output.to_json(each) for each in comments]})
    else:
        print_ticket(ticket, comments)


def reply(
    ticket_id: TicketArgument,
    text: Annotated[str, typer.Argument(help="What the customer will read.")],
    internal: Annotated[bool, typer.Option("--internal", help="A note that the customer never sees.")] = False,
    subject: SubjectOption = None,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reply to the customer in the same conversation, or leave a note for colleagues.

    \b
    Examples:
      groundline ticket reply 0198c0de-… "Please keep it indoors." --subject ada
      groundline ticket reply 0198c0de-… "Asked the lab." --internal
    """
    from cli import output
    from cli.mesh import call
    from groundline.ticketing.v1 import ticketing_pb2 as pb
    from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb

    request = service_pb.CreateCommentRequest(
        ticket_id=ticket_id,
        body=text,
        visibility=pb.COMMENT_VISIBILITY_INTERNAL if internal else pb.COMMENT_VISIBILITY_PUBLIC,
        request_id=f"cli:{uuid.uuid4()}",
    )

    async def work(mesh: Mesh) -> Any:
        return (await mesh.ticketing.CreateComment(request)).comment

    comment = call(edge, "agent", work, subject=subject)
    if as_json:
        output.print_json({"comment": output.to_json(comment)})
    else:
        output.say("noted" if internal else "on its way to the customer")


def resolve(
    ticket_id: TicketArgument,
    resolution: Annotated[
        str, typer.Option("--resolution", "-m", help="How it was solved; needed unless the customer got a reply.")
    ] = "",
    subject: SubjectOption = None,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Resolve a ticket, and the conversation with it; what was learned then waits for `groundline case approve`.

    \b
    Example:
      groundline ticket resolve 0198c0de-… -m "Sent a new power supply."
    """
    from cli import output
    from cli.mesh import call
    from groundline.ticketing.v1 import ticketing_pb2 as pb
    from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb

    request = service_pb.UpdateTicketRequest(
        ticket_id=ticket_id, ticket=pb.Ticket(status=pb.TICKET_STATUS_RESOLVED, resolution=resolution)
    )

    async def work(mesh: Mesh) -> Any:
        return (await mesh.ticketing.UpdateTicket(request)).ticket

    ticket = call(edge, "agent", work, subject=subject)
    if as_json:
        output.print_json({"ticket": output.to_json(ticket)})
    else:
        output.say("resolved")
