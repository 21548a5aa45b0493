"""Ticketing alone behind its own wire, and what the database says of it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from groundline.evaluation.v1 import reason_code_pb2 as reasons
from groundline.ticketing.v1 import ticketing_pb2 as pb
from groundline.ticketing.v1 import ticketing_service_pb2 as service_pb
from groundline.ticketing.v1 import ticketing_service_pb2_grpc as rpc
from meshkit import testing
from meshkit.channels import open_channel
from meshkit.errors import RemoteError, from_rpc_error
from meshkit.ids import new_id
from svc_ticketing.wiring import TicketingSettings, wire

SERVICE = service_pb.DESCRIPTOR.services_by_name["TicketingService"]


@dataclass
class Desk:
    """Stubs by role, and the owner's view of the database."""

    target: str
    keys: testing.Keys
    db: asyncpg.Connection
    stack: AsyncExitStack
    objects: Path

    def stub(self, role: str, subject: str = "ada") -> Any:
        bearer = self.keys.token(role, subject, session_id=str(new_id()) if role == "customer" else None)
        return rpc.TicketingServiceStub(self._channel(bearer))

    def anonymous(self) -> Any:
        return rpc.TicketingServiceStub(self._channel(None))

    def _channel(self, bearer: str | None) -> grpc.aio.Channel:
        channel = open_channel(self.target, SERVICE, bearer=bearer)
        self.stack.push_async_callback(channel.close)
        return channel

    async def session(self) -> str:
        session_id = new_id()
        await self.db.execute(
            "insert into conversation.sessions (session_id, channel, knowledge_base) values ($1, 'web', 'default')",
            session_id,
        )
        return str(session_id)

    async def ticket(self, *, session_id: str | None = None, **fields: Any) -> pb.Ticket:
        """A ticket as the escalation makes it."""
        request = escalation(session_id or await self.session(), **fields)
        answer: service_pb.CreateTicketResponse = await self.stub("service", "worker-delivery").CreateTicket(request)
        return answer.ticket

    async def commands(self) -> list[dict[str, Any]]:
        rows = await self.db.fetch(
            "select type, idempotency_key, ordering_key, payload_json from messaging.outbox order by outbox_id"
        )
        return [{**row, "payload_json": json.loads(row["payload_json"])} for row in rows]

    async def force_status(self, ticket_id: str, status: str) -> None:
        await self.db.execute(
            "update ticketing.tickets set status = $2, resolved_at = case when $2 in ('resolved', 'closed') then now() "
            "end where ticket_id = $1::text::uuid",
            ticket_id,
            status,
        )

    async def count(self, table: str) -> int:
        return int(await self.db.fetchval(f"select count(*) from {table}"))


def escalation(session_id: str, **fields: Any) -> service_pb.CreateTicketRequest:
    return service_pb.CreateTicketRequest(
        **{"session_id": session_id, "escalation_reason": reasons.REASON_CODE_NO_EVIDENCE, **fields}
    )


def comment(ticket_id: str, **fields: Any) -> service_pb.CreateCommentRequest:
    given = {"body": "words", "visibility": pb.COMMENT_VISIBILITY_PUBLIC, **fields}
    return service_pb.CreateCommentRequest(ticket_id=ticket_id, **given)


def change(ticket_id: str, *mask: str, **fields: Any) -> service_pb.UpdateTicketRequest:
    return service_pb.UpdateTicketRequest(
        ticket_id=ticket_id, ticket=pb.Ticket(**fields), update_mask=FieldMask(paths=mask) if mask else None
    )


async def read(desk: Desk, ticket_id: str) -> pb.Ticket:
    answer: service_pb.GetTicketResponse = await desk.stub("agent").GetTicket(
        service_pb.GetTicketRequest(ticket_id=ticket_id)
    )
    return answer.ticket


async def refusal(call: Any) -> RemoteError:
    """What a call was refused with; fails if it was not refused."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError(f"was answered: {answer}")


@asynccontextmanager
async def open_desk(database_url: str, keys: testing.Keys, folder: Path) -> AsyncIterator[Desk]:
    """Production wiring under ticketing's own database role."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    async with AsyncExitStack() as stack:
        settings = TicketingSettings(
            database_url=testing.database_url(database_url, name, user="groundline_ticketing"),
            object_store_url=f"file://{folder}/objects",
        )
        served = await stack.enter_async_context(testing.serve(*await wire(stack, settings), keys=keys))
        owner = await asyncpg.connect(database_url)
        stack.push_async_callback(owner.close)
        yield Desk(served.target, keys, owner, stack, folder / "objects")
