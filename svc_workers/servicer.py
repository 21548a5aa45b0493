"""CommandService: translate, call, translate."""

from typing import Any
from uuid import UUID

from groundline.commands.v1 import command_service_pb2 as pb
from groundline.commands.v1 import command_service_pb2_grpc as rpc
from meshkit.paging import page_size
from svc_workers.command_log import CommandLog
from svc_workers.store import CommandRow

_PREFIX = "COMMAND_STATUS_"


class CommandServicer(rpc.CommandServiceServicer):
    """The outbox, seen from outside."""

    def __init__(self, commands: CommandLog) -> None:
        self._commands = commands

    async def ListCommands(self, request: pb.ListCommandsRequest, context: Any) -> pb.ListCommandsResponse:
        rows, following = await self._commands.page(
            status=_status_name(request.status),
            type=request.type or None,
            size=page_size(request.page_size),
            token=request.page_token,
        )
        return pb.ListCommandsResponse(commands=map(_to_proto, rows), next_page_token=following)

    async def GetCommand(self, request: pb.GetCommandRequest, context: Any) -> pb.GetCommandResponse:
        return pb.GetCommandResponse(command=_to_proto(await self._commands.get(UUID(request.command_id))))

    async def RedriveCommand(self, request: pb.RedriveCommandRequest, context: Any) -> pb.RedriveCommandResponse:
        return pb.RedriveCommandResponse(command=_to_proto(await self._commands.redrive(UUID(request.command_id))))


def _status_name(status: pb.CommandStatus.ValueType) -> str | None:
    if status == pb.COMMAND_STATUS_UNSPECIFIED:
        return None
    return pb.CommandStatus.Name(status).removeprefix(_PREFIX).lower()


def _to_proto(row: CommandRow) -> pb.CommandRecord:
    record = pb.CommandRecord(
        command_id=str(row.outbox_id),
        type=row.type,
        idempotency_key=row.idempotency_key,
        status=pb.CommandStatus.Value(_PREFIX + row.status.upper()),
        attempts=row.attempts,
        last_error=row.last_error or "",
        ordering_key=str(row.ordering_key) if row.ordering_key else "",
    )
    record.next_attempt_at.FromDatetime(row.next_attempt_at)
    record.created_at.FromDatetime(row.created_at)
    return record
