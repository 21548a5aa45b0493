"""Dead letters: redriven, discarded, and who did it. Through the wire, and through the command line."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest

from groundline.commands.v1 import audit_service_pb2 as audit
from groundline.commands.v1 import audit_service_pb2_grpc as audit_rpc
from groundline.commands.v1 import command_service_pb2 as pb
from groundline.commands.v1 import command_service_pb2_grpc as rpc
from groundline.commands.v1 import commands_pb2 as commands
from groundline.ticketing.v1 import ticketing_pb2, ticketing_service_pb2
from meshkit import outbox, testing
from meshkit.errors import from_rpc_error
from svc_workers.wiring import wire_delivery

from .test_cli import run as run_cli
from .test_workers import SessionNotFound
from .worker_mesh import Mesh, run, uuid

COMMANDS = pb.DESCRIPTOR.services_by_name["CommandService"]
AUDIT = audit.DESCRIPTOR.services_by_name["AuditService"]


@pytest.fixture
async def delivery(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Mesh]:
    async with run(wire_delivery, database_url, keys, tmp_path) as mesh:
        yield mesh


async def dead(mesh: Mesh, key: str) -> str:
    """A command that can never work, given up; returns its id."""
    mesh.peers.say("CreateTicket", SessionNotFound(session_id="x"))
    ticket = ticketing_service_pb2.CreateTicketRequest(session_id=uuid(), request_id=key)
    await mesh.put(commands.CreateTicket(ticket=ticket), "create_ticket", key)
    row = await mesh.settled(key)
    assert row["status"] == "dead"
    return str(row["outbox_id"])


async def trail(mesh: Mesh, resource_id: str | None = None) -> list[audit.AuditEntry]:
    async with mesh.served.channel(AUDIT, role="admin") as channel:
        stub = audit_rpc.AuditServiceStub(channel)
        answer = await stub.ListAuditEntries(audit.ListAuditEntriesRequest(resource_id=resource_id))
        return list(answer.entries)


async def test_redrive_twice_is_harmless_and_both_are_in_the_trail(delivery: Mesh) -> None:
    command_id = await dead(delivery, "dead:1")
    delivery.peers.calls.clear()
    ticket = ticketing_service_pb2.CreateTicketResponse(ticket=ticketing_pb2.Ticket(ticket_id=uuid()))
    delivery.peers.say("CreateTicket", ticket)
    async with delivery.served.channel(COMMANDS, role="admin") as channel:
        stub = rpc.CommandServiceStub(channel)
        await stub.RedriveCommand(pb.RedriveCommandRequest(command_id=command_id))
        await stub.RedriveCommand(pb.RedriveCommandRequest(command_id=command_id))
        assert (await delivery.settled("dead:1"))["status"] == "done"
        await stub.RedriveCommand(pb.RedriveCommandRequest(command_id=command_id))
    assert len(delivery.peers.asked("CreateTicket")) == 1
    entries = await trail(delivery, command_id)
    assert [each.changed for each in entries] == [False, False, True], "newest first"
    assert {each.action for each in entries} == {audit.AUDIT_ACTION_COMMAND_REDRIVEN}
    assert all(each.actor == "tester" and each.request_id and each.occurred_at.seconds for each in entries)
    assert len({each.request_id for each in entries}) == 3


async def test_a_discarded_command_stays_visible_and_is_never_carried_again(delivery: Mesh) -> None:
    command_id = await dead(delivery, "dead:2")
    delivery.peers.calls.clear()
    async with delivery.served.channel(COMMANDS, role="admin") as channel:
        stub = rpc.CommandServiceStub(channel)
        gone = await stub.DiscardCommand(pb.DiscardCommandRequest(command_id=command_id, note="a test"))
        assert gone.command.status == pb.COMMAND_STATUS_DISCARDED
        again = await stub.DiscardCommand(pb.DiscardCommandRequest(command_id=command_id))
        assert again.command == gone.command
        redriven = await stub.RedriveCommand(pb.RedriveCommandRequest(command_id=command_id))
        assert redriven.command.status == pb.COMMAND_STATUS_DISCARDED
        listed = await stub.ListCommands(pb.ListCommandsRequest(status=pb.COMMAND_STATUS_DISCARDED))
        assert [each.command_id for each in listed.commands] == [command_id]
        none = await stub.ListCommands(pb.ListCommandsRequest(status=pb.COMMAND_STATUS_DEAD))
        assert not none.commands
    # Its key stays taken, and a later command passes it by.
    ticket = ticketing_service_pb2.CreateTicketRequest(session_id=uuid(), request_id="dead:2")
    assert not await outbox.put(delivery.db, commands.CreateTicket(ticket=ticket), type="create_ticket", key="dead:2")
    await delivery.done(commands.TakeOverSession(session_id=uuid(), ticket_id=uuid()), "take_over_session", "after")
    assert not delivery.peers.asked("CreateTicket")
    kinds = [(each.action, each.changed, each.note) for each in await trail(delivery)]
    assert kinds == [
        (audit.AUDIT_ACTION_COMMAND_REDRIVEN, False, ""),
        (audit.AUDIT_ACTION_COMMAND_DISCARDED, False, ""),
        (audit.AUDIT_ACTION_COMMAND_DISCARDED, True, "a test"),
    ]


async def test_only_admins_act_and_a_pending_command_is_no_dead_one(delivery: Mesh) -> None:
    command = commands.TakeOverSession(session_id=uuid(), ticket_id=uuid())
    await outbox.put(delivery.db, command, type="take_over_session", key="later", delay_s=3600)
    pending = str(await delivery.db.fetchval("select outbox_id from messaging.outbox"))
    for role in ("agent", "supervisor", "service"):
        async with delivery.served.channel(COMMANDS, role=role) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await rpc.CommandServiceStub(channel).DiscardCommand(pb.DiscardCommandRequest(command_id=pending))
            assert from_rpc_error(refused.value).reason == "ROLE_NOT_ALLOWED"
    async with delivery.served.channel(COMMANDS, role="admin") as channel:
        stub = rpc.CommandServiceStub(channel)
        left = await stub.DiscardCommand(pb.DiscardCommandRequest(command_id=pending))
        assert left.command.status == pb.COMMAND_STATUS_PENDING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.DiscardCommand(pb.DiscardCommandRequest(command_id=uuid()))
        assert from_rpc_error(refused.value).reason == "COMMAND_NOT_FOUND"
    (entry,) = await trail(delivery)
    assert (entry.resource_id, entry.changed) == (pending, False)


async def test_the_trail_takes_additions_only(delivery: Mesh) -> None:
    rights = await delivery.db.fetch(
        "select privilege_type from information_schema.role_table_grants "
        "where table_schema = 'messaging' and table_name = 'audit' and grantee like 'groundline\\_%'"
    )
    assert {each["privilege_type"] for each in rights} == {"SELECT", "INSERT"}


async def test_the_command_line_discards_and_shows_the_trail(delivery: Mesh, tmp_path: Path) -> None:
    command_id = await dead(delivery, "dead:3")
    target = delivery.served.target
    done: Any = await run_cli(tmp_path, target, "dlq", "discard", command_id, "--note", "of no use")
    assert (done.code, done.out) == (0, f"{command_id} is discarded\n")
    redriven = await run_cli(tmp_path, target, "dlq", "redrive", command_id)
    assert (redriven.code, redriven.out) == (0, "0 will be tried again\n")
    listed = await run_cli(tmp_path, target, "dlq", "list", "--status", "discarded", "--json")
    assert [each["command_id"] for each in listed.json["commands"]] == [command_id]
    shown = await run_cli(tmp_path, target, "dlq", "audit", command_id, "--json")
    assert [(each["action"], each["note"]) for each in shown.json["entries"]] == [
        ("AUDIT_ACTION_COMMAND_REDRIVEN", ""),
        ("AUDIT_ACTION_COMMAND_DISCARDED", "of no use"),
    ]
    assert UUID(shown.json["entries"][0]["audit_id"]).version == 7
