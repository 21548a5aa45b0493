"""`groundline dlq`: commands that were given up, and their second chance or their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import EdgeOption, JsonOption, LimitOption

if TYPE_CHECKING:
    from cli.mesh import Mesh


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    dlq = typer.Typer(no_args_is_help=True, help="Commands that were given up: list, show, redrive, discard.")
    dlq.command("list")(list_)
    dlq.command()(show)
    dlq.command()(redrive)
    dlq.command()(discard)
    dlq.command()(audit)
    app.add_typer(dlq, name="dlq")


def list_(
    status: Annotated[str, typer.Option("--status", help="dead, discarded, pending or done.")] = "dead",
    type: Annotated[str, typer.Option("--type", help="Only of this type, such as create_ticket.")] = "",
    limit: LimitOption = 50,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List commands that were given up, oldest first; with --status pending, what is still to be done.

    \b
    Examples:
      groundline dlq list
      groundline dlq list --status pending --type ingest_document
    """
    from cli import output
    from cli.mesh import call, every
    from groundline.commands.v1 import command_service_pb2 as pb

    wanted = output.value_of(pb.CommandStatus, status, "COMMAND_STATUS_")
    request = pb.ListCommandsRequest(status=pb.CommandStatus.ValueType(wanted), type=type)

    async def work(mesh: Mesh) -> list[Any]:
        return [each async for each in every(mesh.commands.ListCommands, request, "commands", limit=limit)]

    commands = call(edge, "admin", work)
    if as_json:
        output.print_json({"commands": [output.to_json(each) for each in commands]})
        return
    output.table(
        ("command", "type", "attempts", "written", "last error"),
        (
            (each.command_id, each.type, each.attempts, output.moment(each.created_at), each.last_error or "-")
            for each in commands
        ),
        empty=f"there are no {status} commands",
    )


def show(
    command_id: Annotated[str, typer.Argument(metavar="ID", help="The command.")],
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one command, without its payload: that may hold customers' words.

    \b
    Example:
      groundline dlq show 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
    """
    from cli import output
    from cli.mesh import call
    from groundline.commands.v1 import command_service_pb2 as pb

    async def work(mesh: Mesh) -> Any:
        return (await mesh.commands.GetCommand(pb.GetCommandRequest(command_id=command_id))).command

    command = call(edge, "admin", work)
    if as_json:
        output.print_json({"command": output.to_json(command)})
        return
    output.facts(
        [
            ("command", command.command_id),
            ("type", command.type),
            ("status", output.word(pb.CommandStatus, command.status, "COMMAND_STATUS_")),
            ("attempts", command.attempts),
            ("key", command.idempotency_key),
            ("order", command.ordering_key),
            ("written", output.moment(command.created_at)),
            ("due", output.moment(command.next_attempt_at)),
            ("last error", command.last_error),
        ]
    )


def redrive(
    command_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The commands.")] = None,
    every_dead: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let commands be tried again, with their attempts at zero.

    \b
    Examples:
      groundline dlq redrive 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
      groundline dlq redrive --all
    """
    from cli import output
    from cli.errors import CommandError
    from cli.mesh import call, every
    from groundline.commands.v1 import command_service_pb2 as pb

    if bool(command_ids) == every_dead:
        raise CommandError("name commands, or say --all", 2)

    async def work(mesh: Mesh) -> list[Any]:
        wanted = list(command_ids or [])
        if every_dead:
            request = pb.ListCommandsRequest(status=pb.COMMAND_STATUS_DEAD)
            wanted = [each.command_id async for each in every(mesh.commands.ListCommands, request, "commands")]
        return [
            (await mesh.commands.RedriveCommand(pb.RedriveCommandRequest(command_id=each))).command for each in wanted
        ]

    commands = call(edge, "admin", work)
    if as_json:
        output.print_json({"commands": [output.to_json(each) for each in commands]})
    else:
        # What is not dead is left alone: another redrive may have been quicker.
        output.say(f"{sum(each.status == pb.COMMAND_STATUS_PENDING for each in commands)} will be tried again")


def discard(
    command_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The commands.")],
    note: Annotated[str, typer.Option("--note", help="Why, for the audit trail.")] = "",
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give dead commands up for good. They stay listed under --status discarded.

    \b
    Example:
      groundline dlq discard 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e --note "the customer is gone"
    """
    from cli import output
    from cli.mesh import call
    from groundline.commands.v1 import command_service_pb2 as pb

    async def work(mesh: Mesh) -> list[Any]:
        requests = [pb.DiscardCommandRequest(command_id=each, note=note) for each in command_ids]
        return [(await mesh.commands.DiscardCommand(each)).command for each in requests]

    commands = call(edge, "admin", work)
    if as_json:
        output.print_json({"commands": [output.to_json(each) for each in commands]})
        return
    for each in commands:
        output.say(f"{each.command_id} is {output.word(pb.CommandStatus, each.status, 'COMMAND_STATUS_')}")


def audit(
    resource_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A command, endpoint or delivery.")] = None,
    limit: LimitOption = 50,
    edge: EdgeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what operators did to commands and webhooks, newest first.

    \b
    Examples:
      groundline dlq audit
      groundline dlq audit 0198c0de-7a3b-7c1d-9e55-2f6a1b0c4d3e
    """
    from cli import output
    from cli.mesh import call, every
    from groundline.commands.v1 import audit_service_pb2 as pb

    request = pb.ListAuditEntriesRequest(resource_id=resource_id)

    async def work(mesh: Mesh) -> list[Any]:
        return [each async for each in every(mesh.audit.ListAuditEntries, request, "entries", limit=limit)]

    entries = call(edge, "admin", work)
    if as_json:
        output.print_json({"entries": [output.to_json(each) for each in entries]})
        return
    output.table(
        ("when", "who", "what", "on", "changed", "request", "note"),
        (
            (
                output.moment(each.occurred_at),
                each.actor,
                output.word(pb.AuditAction, each.action, "AUDIT_ACTION_"),
                each.resource_id,
                "yes" if each.changed else "no",
                each.request_id,
                each.note or "-",
            )
            for each in entries
        ),
        empty="nothing was done yet",
    )
