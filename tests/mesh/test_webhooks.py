"""Webhooks through the wire: a real worker and database, and a receiver that behaves as told."""

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from groundline.commands.v1 import audit_service_pb2 as audit
from groundline.commands.v1 import commands_pb2 as commands
from groundline.evaluation.v1 import reason_code_pb2
from groundline.webhooks.v1 import event_pb2
from groundline.webhooks.v1 import webhook_service_pb2 as pb
from groundline.webhooks.v1 import webhook_service_pb2_grpc as rpc
from meshkit import testing
from meshkit.errors import from_rpc_error
from meshkit.outbox.announcing import announce
from svc_workers.wiring import wire_delivery

from .receiver import Receiver, receiver
from .test_cli import run as run_cli
from .test_dlq import trail
from .worker_mesh import Mesh, run, uuid

SERVICE = pb.DESCRIPTOR.services_by_name["WebhookService"]
ESCALATED, RESOLVED = event_pb2.EVENT_TYPE_SESSION_ESCALATED, event_pb2.EVENT_TYPE_SESSION_RESOLVED
QUICK = {
    "webhook_allow_private": True,
    "webhook_backoff_s": 0.01,
    "webhook_timeout_s": 0.5,
    "webhook_disable_after_s": 0,
    "max_attempts": 4,
}


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as scripted:
        yield scripted


@pytest.fixture
async def delivery(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[Mesh]:
    async with run(wire_delivery, database_url, keys, tmp_path, **QUICK) as mesh:
        yield mesh


async def call(mesh: Mesh, method: str, request: Any, role: str = "admin") -> Any:
    async with mesh.served.channel(SERVICE, role=role) as channel:
        return await getattr(rpc.WebhookServiceStub(channel), method)(request)


async def refusal(mesh: Mesh, method: str, request: Any, role: str = "admin") -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(mesh, method, request, role)
    return from_rpc_error(refused.value)


async def register(mesh: Mesh, url: str, *types: Any, **fields: Any) -> pb.CreateEndpointResponse:
    request = pb.CreateEndpointRequest(url=url, event_types=types or [ESCALATED], **fields)
    made: pb.CreateEndpointResponse = await call(mesh, "CreateEndpoint", request)
    return made


async def happens(mesh: Mesh, type: Any = ESCALATED, event_id: str | None = None) -> str:
    """An event, announced as services do."""
    event = event_pb2.Event(event_id=event_id or uuid(), type=type)
    event.session.session_id = uuid()
    event.session.reason = reason_code_pb2.REASON_CODE_NO_EVIDENCE
    event.occurred_at.GetCurrentTime()
    name = event_pb2.EventType.Name(type).removeprefix("EVENT_TYPE_").lower()
    key = f"event:{event.event_id}"
    await announce(mesh.db, commands.PublishEvent(event=event), type="publish_event", key=key, event_type=name)
    return event.event_id


async def log_of(mesh: Mesh, endpoint_id: str) -> list[pb.Delivery]:
    answer = await call(mesh, "ListDeliveries", pb.ListDeliveriesRequest(endpoint_id=endpoint_id))
    return list(answer.deliveries)


async def settled(mesh: Mesh, endpoint_id: str, count: int = 1) -> list[pb.Delivery]:
    """The log, newest first, once `count` deliveries are there and none is pending."""

    async def look() -> list[pb.Delivery] | None:
        found = await log_of(mesh, endpoint_id)
        done = all(each.state != pb.DELIVERY_STATE_PENDING for each in found)
        return found if len(found) == count and done else None

    found = await testing.eventually(look, timeout_s=20)
    assert isinstance(found, list)
    return found


async def read(mesh: Mesh, endpoint_id: str) -> pb.Endpoint:
    answer = await call(mesh, "GetEndpoint", pb.GetEndpointRequest(endpoint_id=endpoint_id))
    assert isinstance(answer.endpoint, pb.Endpoint)
    return answer.endpoint


async def test_an_event_arrives_once_signed_and_without_anybodys_words(delivery: Mesh, hook: Receiver) -> None:
    made = await register(delivery, hook.url)
    event_id = await happens(delivery)
    await happens(delivery, event_id=event_id)
    await happens(delivery, RESOLVED)
    (line,) = await settled(delivery, made.endpoint.endpoint_id)
    assert (line.state, line.attempts, line.response_status) == (pb.DELIVERY_STATE_DELIVERED, 1, 200)
    (got,) = hook.received
    assert got.json["delivery_id"] == got.headers["groundline-delivery-id"] == line.delivery_id
    assert got.json["event"]["event_id"] == got.headers["groundline-event-id"] == event_id
    assert got.json["event"]["type"] == "EVENT_TYPE_SESSION_ESCALATED"
    assert got.json["event"]["session"].keys() == {"session_id", "reason"}
    stamp, _, digest = got.headers["groundline-signature"].partition(",v1=")
    at = int(stamp.removeprefix("t="))
    assert abs(at - time.time()) < 30
    expected = hmac.new(made.secret.encode(), f"{at}.".encode() + got.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, expected)


async def test_a_publication_that_is_carried_twice_adds_nothing(delivery: Mesh, hook: Receiver) -> None:
    made = await register(delivery, hook.url)
    event_id = await happens(delivery)
    await settled(delivery, made.endpoint.endpoint_id)
    await delivery.db.execute("update messaging.outbox set status = 'pending', next_attempt_at = now()")

    async def all_done() -> bool:
        return await delivery.db.fetchval("select bool_and(status = 'done') from messaging.outbox") is True

    await testing.eventually(all_done)
    assert len(await log_of(delivery, made.endpoint.endpoint_id)) == len(hook.received) == 1
    keys = {each[0] for each in await delivery.db.fetch("select idempotency_key from messaging.outbox")}
    assert keys == {f"event:{event_id}", f"webhook:{made.endpoint.endpoint_id}:{event_id}"}


async def test_nothing_is_written_where_nobody_asked(delivery: Mesh, hook: Receiver) -> None:
    made = await register(delivery, hook.url, RESOLVED)
    await happens(delivery, ESCALATED)
    update = pb.Endpoint(state=pb.ENDPOINT_STATE_DISABLED)
    await call(
        delivery, "UpdateEndpoint", pb.UpdateEndpointRequest(endpoint_id=made.endpoint.endpoint_id, endpoint=update)
    )
    await happens(delivery, RESOLVED)
    assert await delivery.db.fetchval("select count(*) from messaging.outbox") == 0


@pytest.mark.parametrize(
    ("act", "error", "status"),
    [
        (500, "status", 500),
        (404, "status", 404),
        ("redirect", "status", 307),
        ("garbage", "protocol", 0),
        ("reset", "unreachable", 0),
        ("hang", "timeout", 0),
        ("drip", "timeout", 0),
    ],
)
async def test_a_receiver_that_misbehaves_is_tried_again(
    delivery: Mesh, hook: Receiver, act: int | str, error: str, status: int
) -> None:
    hook.says(act, act, 204)
    made = await register(delivery, hook.url)
    await happens(delivery)

    async def failing() -> bool:
        (line,) = await log_of(delivery, made.endpoint.endpoint_id) or [pb.Delivery()]
        if line.state == pb.DELIVERY_STATE_PENDING and line.attempts:
            assert line.response_status == status
            assert line.last_error in (error, "protocol")
        return line.state == pb.DELIVERY_STATE_DELIVERED

    await testing.eventually(failing, timeout_s=20)
    (line,) = await log_of(delivery, made.endpoint.endpoint_id)
    assert (line.attempts, line.response_status, line.last_error) == (3, 204, "")
    assert len({each.headers["groundline-delivery-id"] for each in hook.received}) == 1
    assert hook.elsewhere == 0, "redirects are not followed"
    assert (await read(delivery, made.endpoint.endpoint_id)).consecutive_failures == 0


async def test_an_answer_of_a_gigabyte_is_not_read(delivery: Mesh, hook: Receiver) -> None:
    hook.says("huge")
    made = await register(delivery, hook.url)
    await happens(delivery)
    (line,) = await settled(delivery, made.endpoint.endpoint_id)
    assert line.state == pb.DELIVERY_STATE_DELIVERED
    assert hook.bytes_out < 50_000_000


async def test_after_all_attempts_it_is_failed_and_its_command_dead(delivery: Mesh, hook: Receiver) -> None:
    hook.says(503)
    made = await register(delivery, hook.url)
    await happens(delivery)
    (line,) = await settled(delivery, made.endpoint.endpoint_id)
    assert (line.state, line.attempts, line.last_error) == (pb.DELIVERY_STATE_FAILED, 4, "status")
    row = await delivery.settled(f"webhook:{made.endpoint.endpoint_id}:{line.event.event_id}")
    assert (row["status"], row["last_error"]) == ("dead", "status 503")


async def test_too_many_failures_in_a_row_disable_an_endpoint_and_replay_waits_for_it(
    database_url: str, keys: testing.Keys, tmp_path: Path, hook: Receiver
) -> None:
    settings = {**QUICK, "webhook_disable_failures": 3, "max_attempts": 10}
    async with run(wire_delivery, database_url, keys, tmp_path, **settings) as mesh:
        hook.says(500, 500, 200, 500)
        made = await register(mesh, hook.url)
        endpoint_id = made.endpoint.endpoint_id
        await happens(mesh)
        await settled(mesh, endpoint_id)
        assert (await read(mesh, endpoint_id)).state == pb.ENDPOINT_STATE_ENABLED, "a success begins the count anew"
        await happens(mesh)
        newest, _ = await settled(mesh, endpoint_id, 2)
        assert (newest.state, newest.attempts) == (pb.DELIVERY_STATE_CANCELLED, 3)
        endpoint = await read(mesh, endpoint_id)
        assert (endpoint.state, endpoint.disabled_reason) == (
            pb.ENDPOINT_STATE_DISABLED,
            pb.DISABLED_REASON_TOO_MANY_FAILURES,
        )
        assert (await trail(mesh, endpoint_id))[0].action == audit.AUDIT_ACTION_ENDPOINT_DISABLED
        assert (await trail(mesh, endpoint_id))[0].actor == "worker-delivery"

        again = pb.ReplayDeliveryRequest(delivery_id=newest.delivery_id, request_id="once")
        assert (await refusal(mesh, "ReplayDelivery", again)).reason == "ENDPOINT_DISABLED"
        enable = pb.Endpoint(state=pb.ENDPOINT_STATE_ENABLED, etag=endpoint.etag)
        enabled = await call(mesh, "UpdateEndpoint", pb.UpdateEndpointRequest(endpoint_id=endpoint_id, endpoint=enable))
        assert (enabled.endpoint.state, enabled.endpoint.consecutive_failures) == (pb.ENDPOINT_STATE_ENABLED, 0)
        hook.says(200)
        hook.received.clear()
        replays = [await call(mesh, "ReplayDelivery", again) for _ in range(2)]
        assert replays[0].delivery.delivery_id == replays[1].delivery.delivery_id != newest.delivery_id
        lines = await settled(mesh, endpoint_id, 3)
        assert (lines[0].state, lines[0].replay_of) == (pb.DELIVERY_STATE_DELIVERED, newest.delivery_id)
        (got,) = hook.received
        assert got.json["event"]["event_id"] == newest.event.event_id
        assert got.json["delivery_id"] == lines[0].delivery_id


async def test_failures_at_the_same_time_disable_once_and_leave_nothing_waiting(
    database_url: str, keys: testing.Keys, tmp_path: Path, hook: Receiver
) -> None:
    settings = {**QUICK, "webhook_disable_failures": 10, "max_attempts": 100}
    async with run(wire_delivery, database_url, keys, tmp_path, **settings) as mesh:
        hook.says(500)
        made = await register(mesh, hook.url)
        async with mesh.db.transaction():
            for _ in range(40):
                await happens(mesh)

        async def all_done() -> bool:
            return await mesh.db.fetchval("select bool_and(status = 'done') from messaging.outbox") is True

        await testing.eventually(all_done, timeout_s=30)
        lines = await log_of(mesh, made.endpoint.endpoint_id)
        # What is published after the endpoint was disabled has no delivery at all.
        assert 1 <= len(lines) <= 40
        assert {each.state for each in lines} == {pb.DELIVERY_STATE_CANCELLED}
        entries = await trail(mesh, made.endpoint.endpoint_id)
        assert [each.action for each in entries].count(audit.AUDIT_ACTION_ENDPOINT_DISABLED) == 1


async def test_failures_must_go_on_for_a_while_to_disable(
    database_url: str, keys: testing.Keys, tmp_path: Path, hook: Receiver
) -> None:
    settings = {**QUICK, "webhook_disable_failures": 2, "webhook_disable_after_s": 3600}
    async with run(wire_delivery, database_url, keys, tmp_path, **settings) as mesh:
        hook.says(500)
        made = await register(mesh, hook.url)
        await happens(mesh)
        await settled(mesh, made.endpoint.endpoint_id)
        endpoint = await read(mesh, made.endpoint.endpoint_id)
        assert (endpoint.state, endpoint.consecutive_failures) == (pb.ENDPOINT_STATE_ENABLED, 4)


async def test_the_guard_keeps_this_machine_unreached(
    database_url: str, keys: testing.Keys, tmp_path: Path, hook: Receiver
) -> None:
    """The same endpoint twice: with the guard off it is reached, with the guard on not a connection arrives."""
    urls = [hook.url, f"http://localhost:{hook.port}/hook"]
    async with run(wire_delivery, database_url, keys, tmp_path / "off", **QUICK) as off:
        ids = [(await register(off, url)).endpoint.endpoint_id for url in urls]
        await happens(off)
        for each in ids:
            await settled(off, each)
        assert hook.connections == len(urls)
    async with run(
        wire_delivery, database_url, keys, tmp_path / "on", **{**QUICK, "webhook_allow_private": False}
    ) as on:
        refused = await refusal(on, "CreateEndpoint", pb.CreateEndpointRequest(url=hook.url, event_types=[ESCALATED]))
        assert (refused.reason, refused.metadata["problem"]) == ("URL_NOT_ALLOWED", "scheme")
        inside = pb.CreateEndpointRequest(url="https://169.254.169.254/latest", event_types=[ESCALATED])
        assert (await refusal(on, "CreateEndpoint", inside)).metadata["problem"] == "address"
        await happens(on)
        for each in ids:
            newest, _ = await settled(on, each, 2)
            assert (newest.state, newest.last_error) == (pb.DELIVERY_STATE_FAILED, "refused_address")
        assert hook.connections == len(urls)


async def test_the_secret_is_given_once_and_kept_sealed(
    delivery: Mesh, hook: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    made = await register(delivery, hook.url, request_id="first")
    assert made.secret.startswith("whsec_")
    again = await register(delivery, hook.url, request_id="first")
    assert again == made, "a repeated request gets its answer again"
    other = pb.CreateEndpointRequest(url=hook.url, event_types=[RESOLVED], request_id="first")
    assert (await refusal(delivery, "CreateEndpoint", other)).reason == "REQUEST_ID_REUSED"
    await happens(delivery)
    await settled(delivery, made.endpoint.endpoint_id)
    listed = await call(delivery, "ListEndpoints", pb.ListEndpointsRequest())
    assert made.secret not in str(listed)
    rows = [dict(each) for each in await delivery.db.fetch("select * from messaging.webhook_endpoints")]
    assert len(rows) == 1
    assert made.secret.encode() not in rows[0]["sealed_secret"]
    assert made.secret not in "".join(capfd.readouterr())
    await call(delivery, "DeleteEndpoint", pb.DeleteEndpointRequest(endpoint_id=made.endpoint.endpoint_id))
    assert await delivery.db.fetchval("select sealed_secret from messaging.webhook_endpoints") is None


async def test_endpoints_are_changed_deleted_and_audited(delivery: Mesh, hook: Receiver) -> None:
    made = (await register(delivery, hook.url)).endpoint
    endpoint_id = made.endpoint_id

    def change(*mask: str, **fields: Any) -> pb.UpdateEndpointRequest:
        request = pb.UpdateEndpointRequest(endpoint_id=endpoint_id, endpoint=pb.Endpoint(**fields))
        request.update_mask.paths.extend(mask)
        return request

    changed = (await call(delivery, "UpdateEndpoint", change(description="for tests", event_types=[RESOLVED]))).endpoint
    assert (changed.description, list(changed.event_types)) == ("for tests", [RESOLVED])
    assert changed.etag != made.etag
    assert (await refusal(delivery, "UpdateEndpoint", change(url=hook.url, etag=made.etag))).reason == "ETAG_MISMATCH"
    assert (await refusal(delivery, "UpdateEndpoint", change("etag"))).reason == "FIELD_NOT_UPDATABLE"
    assert (await refusal(delivery, "UpdateEndpoint", change("event_types"))).reason == "INVALID_REQUEST"
    bad = change(url="https://user:word@x.example/")
    assert (await refusal(delivery, "UpdateEndpoint", bad)).reason == "URL_NOT_ALLOWED"
    deleted = pb.Endpoint(state=pb.ENDPOINT_STATE_DELETED)
    request = pb.UpdateEndpointRequest(endpoint_id=endpoint_id, endpoint=deleted)
    assert (await refusal(delivery, "UpdateEndpoint", request)).reason == "INVALID_REQUEST"
    await call(delivery, "DeleteEndpoint", pb.DeleteEndpointRequest(endpoint_id=endpoint_id))
    for method, gone in (
        ("GetEndpoint", pb.GetEndpointRequest(endpoint_id=endpoint_id)),
        ("DeleteEndpoint", pb.DeleteEndpointRequest(endpoint_id=endpoint_id)),
        ("UpdateEndpoint", change(description="x")),
    ):
        assert (await refusal(delivery, method, gone)).reason == "ENDPOINT_NOT_FOUND"
    assert not (await call(delivery, "ListEndpoints", pb.ListEndpointsRequest())).endpoints
    assert await log_of(delivery, endpoint_id) == [], "its log stays readable"
    assert [each.action for each in await trail(delivery, endpoint_id)] == [
        audit.AUDIT_ACTION_ENDPOINT_DELETED,
        audit.AUDIT_ACTION_ENDPOINT_UPDATED,
        audit.AUDIT_ACTION_ENDPOINT_CREATED,
    ]


async def test_webhooks_are_for_admins_only(delivery: Mesh) -> None:
    requests = {
        "CreateEndpoint": pb.CreateEndpointRequest(url="https://x.example/", event_types=[ESCALATED]),
        "GetEndpoint": pb.GetEndpointRequest(endpoint_id=uuid()),
        "ListEndpoints": pb.ListEndpointsRequest(),
        "UpdateEndpoint": pb.UpdateEndpointRequest(endpoint_id=uuid(), endpoint=pb.Endpoint(description="x")),
        "DeleteEndpoint": pb.DeleteEndpointRequest(endpoint_id=uuid()),
        "ListDeliveries": pb.ListDeliveriesRequest(endpoint_id=uuid()),
        "ReplayDelivery": pb.ReplayDeliveryRequest(delivery_id=uuid()),
    }
    assert requests.keys() == {each.name for each in SERVICE.methods}
    for method, request in requests.items():
        for role in ("agent", "supervisor", "adapter", "service"):
            assert (await refusal(delivery, method, request, role)).reason == "ROLE_NOT_ALLOWED"


async def test_the_command_line_registers_lists_and_replays(delivery: Mesh, hook: Receiver, tmp_path: Path) -> None:
    target = delivery.served.target

    async def groundline(*arguments: str) -> Any:
        return await run_cli(tmp_path, target, "webhook", *arguments)

    made = await groundline("create", hook.url, "--event", "session_escalated", "--description", "tests", "--json")
    endpoint_id, secret = made.json["endpoint"]["endpoint_id"], made.json["secret"]
    listed = await groundline("list")
    assert endpoint_id in listed.out
    assert secret not in listed.out
    await happens(delivery)
    (line,) = await settled(delivery, endpoint_id)
    deliveries = await groundline("deliveries", endpoint_id, "--json")
    assert [each["delivery_id"] for each in deliveries.json["deliveries"]] == [line.delivery_id]
    replayed = await groundline("replay", line.delivery_id)
    assert replayed.code == 0
    await settled(delivery, endpoint_id, 2)
    assert len(hook.received) == 2
    disabled = await groundline("disable", endpoint_id)
    assert (disabled.code, disabled.out) == (0, f"{endpoint_id} is disabled\n")
    assert (await groundline("enable", endpoint_id)).out == f"{endpoint_id} is enabled\n"
    assert json.loads((await groundline("show", endpoint_id, "--json")).out)["endpoint"]["description"] == "tests"
    assert (await groundline("delete", endpoint_id)).code == 0
    assert (await groundline("create", hook.url, "--event", "nonsense")).code == 2
