"""CommandService and AuditService: translate, call, translate."""

from typing import Any
from uuid import UUID

from groundline.commands.v1 import audit_service_pb2 as audit_pb
from groundline.commands.v1 import audit_service_pb2_grpc as audit_rpc
from groundline.commands.v1 import command_service_pb2 as pb
from groundline.commands.v1 import command_service_pb2_grpc as rpc
from meshkit.identity import role_from_name
from meshkit.paging import page_size
from svc_workers.audit import ACTION_PREFIX, AuditTrail
from svc_workers.command_log import CommandLog
from svc_workers.store import AuditRow, CommandRow

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

    async def DiscardCommand(self, request: pb.DiscardCommandRequest, context: Any) -> pb.DiscardCommandResponse:
        row = await self._commands.discard(UUID(request.command_id), note=request.note)
        return pb.DiscardCommandResponse(command=_to_proto(row))


class AuditServicer(audit_rpc.AuditServiceServicer):
    """What operators did."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def ListAuditEntries(
        self, request: audit_pb.ListAuditEntriesRequest, context: Any
    ) -> audit_pb.ListAuditEntriesResponse:
        rows, following = await self._trail.page(
            resource_id=UUID(request.resource_id) if request.HasField("resource_id") else None,
            size=page_size(request.page_size),
            token=request.page_token,
        )
        return audit_pb.ListAuditEntriesResponse(entries=map(_to_entry, rows), next_page_token=following)


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


def _to_entry(row: AuditRow) -> audit_pb.AuditEntry:
    entry = audit_pb.AuditEntry(
        audit_id=str(row.audit_id),
        actor=row.actor,
        actor_role=role_from_name(row.actor_role),
        action=audit_pb.AuditAction.Value(ACTION_PREFIX + row.action.upper()),
        resource_id=str(row.resource_id),
        changed=row.changed,
        note=row.note,
        request_id=row.request_id,
    )
    entry.occurred_at.FromDatetime(row.occurred_at)
    return entry
