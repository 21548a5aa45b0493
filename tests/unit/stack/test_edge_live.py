"""The edge itself, in front of a stand-in gateway: what it refuses, what it changes, what it lets through."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.api import httpbody_pb2
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_status import rpc_status

from cli.stack import edge
from cli.stack.checks import find_envoy
from cli.stack.layout import HOST, REPOSITORY, choose_ports
from groundline.conversation.v1 import conversation_pb2, conversation_service_pb2, conversation_service_pb2_grpc
from groundline.options.v1 import access_pb2
from meshkit.errors import STATUS_METADATA_KEY, DependencyUnavailable, DomainError, Overloaded, to_status
from meshkit.identity import TokenSigner, create_keys

SESSION = "01a2042d-0232-766b-b38f-ad924fb04de3"


class StandIn(conversation_service_pb2_grpc.ConversationServiceServicer):
    """Remembers what arrived."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.refusal: DomainError | None = None

    async def GetSession(self, request: Any, context: Any) -> Any:
        self.calls.append({key: str(value) for key, value in context.invocation_metadata()})
        if self.refusal is not None:
            refused = to_status(self.refusal)
            code = next(each for each in grpc.StatusCode if each.value[0] == refused.code)
            await context.abort(code, refused.message, ((STATUS_METADATA_KEY, refused.SerializeToString()),))
        session = conversation_pb2.Session(session_id=request.session_id)
        return conversation_service_pb2.GetSessionResponse(session=session)

    async def PostMessage(self, request: Any, context: Any) -> Any:
        self.calls.append({key: str(value) for key, value in context.invocation_metadata()})
        return conversation_service_pb2.PostMessageResponse(message_id=request.content)

    async def StreamSession(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in (1, 2):
            frame = f"id: {number}\ndata: {{}}\n\n".encode()
            yield httpbody_pb2.HttpBody(content_type="text/event-stream", data=frame)


class Edge:
    def __init__(self, url: str, stand_in: StandIn, signer: TokenSigner, server: grpc.aio.Server) -> None:
        self.url, self.stand_in, self.signer, self.server = url, stand_in, signer, server
        self.http = httpx.AsyncClient(base_url=url, timeout=10)

    def token(self, ttl_s: float = 60) -> str:
        return self.signer.mint(access_pb2.ROLE_CUSTOMER, "somebody", session_id=SESSION, ttl_s=ttl_s)


@pytest.fixture
async def at_edge(tmp_path: Path) -> AsyncIterator[Edge]:
    ports = choose_ports(0, None)
    pem, jwks = create_keys(tmp_path)
    stand_in, server = StandIn(), grpc.aio.server()
    conversation_service_pb2_grpc.add_ConversationServiceServicer_to_server(stand_in, server)
    health_pb2_grpc.add_HealthServicer_to_server(health_aio.HealthServicer(), server)
    gateway = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    settings = edge.EdgeSettings(
        edge_port=ports.edge,
        admin_port=ports.admin,
        descriptor=REPOSITORY / "gen" / "groundline.binpb",
        jwks=jwks,
        upstreams={name: [gateway] for name in edge.CLUSTER_OF_SERVICE.values()},
        limits=edge.Limits(rate_limit_per_s=60),
    )
    config = tmp_path / "edge.yaml"
    config.write_text(edge.render(settings, REPOSITORY / "envoy" / "edge.yaml"))
    command = [str(find_envoy()), "-c", str(config), "--disable-hot-restart", "--concurrency", "1"]
    with (tmp_path / "envoy.log").open("wb") as log:
        envoy = await asyncio.create_subprocess_exec(
            *command, "--log-level", "warning", stdout=log, stderr=subprocess.STDOUT
        )
    the_edge = Edge(f"http://{HOST}:{ports.edge}", stand_in, TokenSigner.from_file(pem), server)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                if (await the_edge.http.get("/healthz")).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, (tmp_path / "envoy.log").read_text()
        yield the_edge
    finally:
        envoy.terminate()
        await the_edge.http.aclose()
        await server.stop(0)
        await asyncio.wait_for(envoy.wait(), 10)


def _check_status(response: httpx.Response, status: int, code: int, reason: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert not [name for name in response.headers if name.startswith("grpc-")]
    body = response.json()
    assert body["code"] == code
    (info,) = [each for each in body["details"] if each["@type"].endswith("/google.rpc.ErrorInfo")]
    assert (info["domain"], info["reason"]) == ("groundline.dev", reason)


def _check_native(error: grpc.aio.AioRpcError, code: int, reason: str) -> None:
    # Raises ValueError where code or message of the details differ from those of the call.
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, info.domain, info.reason) == (code, "groundline.dev", reason)


async def test_rest_as_the_contract_says(at_edge: Edge) -> None:
    response = await at_edge.http.get(f"/v1/sessions/{SESSION}", headers={"authorization": f"Bearer {at_edge.token()}"})
    assert response.status_code == 200
    session = response.json()["session"]
    assert session["session_id"] == SESSION
    assert session["status"] == "SESSION_STATUS_UNSPECIFIED", "enums by name, also the default"
    assert session["channel"] == "", "empty fields are there"
    assert not [name for name in response.headers if name.startswith("grpc-")]


async def test_what_outsiders_claim_by_headers_is_dropped(at_edge: Edge) -> None:
    sent = {
        "x-groundline-role": "admin",
        "x-auth-sub": "admin",
        "secret-bin": "YQ==",
        "x-envoy-retry-on": "5xx",
        "x-request-id": "mine",
    }
    response = await at_edge.http.get(f"/v1/sessions/{SESSION}", headers=sent)
    (arrived,) = at_edge.stand_in.calls
    assert not set(arrived) & (set(sent) - {"x-request-id"})
    assert arrived["x-request-id"] == response.headers["x-request-id"] != "mine"


async def test_bad_credentials(at_edge: Edge, tmp_path: Path) -> None:
    stranger = TokenSigner.from_file(create_keys(tmp_path / "stranger")[0])
    foreign = stranger.mint(access_pb2.ROLE_ADMIN, "somebody", ttl_s=60)
    for token in ("junk", foreign, at_edge.token(ttl_s=-60), at_edge.token()[:-4] + "AAAA"):
        response = await at_edge.http.get(f"/v1/sessions/{SESSION}", headers={"authorization": f"Bearer {token}"})
        _check_status(response, 401, code_pb2.UNAUTHENTICATED, "CREDENTIAL_INVALID")
        response = await at_edge.http.get(
            f"/v1/sessions/{SESSION}", headers={"cookie": f"{edge.SESSION_COOKIE}={token}"}
        )
        _check_status(response, 401, code_pb2.UNAUTHENTICATED, "CREDENTIAL_INVALID")
    assert at_edge.stand_in.calls == []


async def test_a_cookie_writes_only_from_our_own_pages(at_edge: Edge) -> None:
    cookie = {"cookie": f"{edge.SESSION_COOKIE}={at_edge.token()}"}
    path, body = f"/v1/sessions/{SESSION}/messages", {"content": "hello"}
    for origin in ({}, {"origin": "https://elsewhere.example"}):
        response = await at_edge.http.post(path, json=body, headers=cookie | origin)
        _check_status(response, 403, code_pb2.PERMISSION_DENIED, "ORIGIN_NOT_ALLOWED")
    assert at_edge.stand_in.calls == []
    response = await at_edge.http.post(path, json=body, headers=cookie | {"origin": at_edge.url})
    assert response.json()["message_id"] == "hello"
    # A script that keeps cookies and sends the header is no browser that was misled.
    bearer = {"authorization": f"Bearer {at_edge.token()}"}
    response = await at_edge.http.post(path, json=body, headers=cookie | bearer)
    assert response.json()["message_id"] == "hello"


async def test_bad_requests(at_edge: Edge) -> None:
    messages = f"/v1/sessions/{SESSION}/messages"
    for response in (
        await at_edge.http.post(messages, content=b'{"content": '),
        await at_edge.http.post(messages, json={"content": {"not": "text"}}),
        await at_edge.http.get(f"/v1/sessions/{SESSION}?colour=blue"),
        await at_edge.http.get("/v1/sessions/a%2Fb"),
    ):
        _check_status(response, 400, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST")
    for response in (
        await at_edge.http.get("/v1/nonsense"),
        await at_edge.http.get("/"),
        await at_edge.http.delete(f"/v1/sessions/{SESSION}"),
    ):
        _check_status(response, 404, code_pb2.NOT_FOUND, "METHOD_NOT_FOUND")
    assert at_edge.stand_in.calls == []


async def test_a_body_beyond_the_limit(at_edge: Edge) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        yield b'{"content": "'
        for _ in range(20):
            yield b"a" * 100_000

    # Envoy answers at once and closes a second later; a client that reads only after it wrote all of a body larger
    # than the sockets' buffers sees a reset instead, so this body is not larger.
    for content in (b"a" * 2_000_000, in_pieces()):
        response = await at_edge.http.post(f"/v1/sessions/{SESSION}/messages", content=content)
        _check_status(response, 413, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_too_many_requests(at_edge: Edge) -> None:
    responses = [await at_edge.http.get(f"/v1/sessions/{SESSION}") for _ in range(200)]
    refused = [response for response in responses if response.status_code != 200]
    assert refused
    _check_status(refused[0], 429, code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert refused[0].headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(Overloaded(retry_after_s=0.5), 429), (DependencyUnavailable(retry_after_s=1.0), 503), (None, 200)],
)
async def test_what_a_service_refuses_is_not_asked_again_here(
    at_edge: Edge, refusal: DomainError | None, status: int
) -> None:
    at_edge.stand_in.refusal = refusal
    response = await at_edge.http.get(f"/v1/sessions/{SESSION}")
    assert response.status_code == status
    assert response.headers.get("retry-after") == ("1" if refusal else None)
    assert len(at_edge.stand_in.calls) == 1


async def test_a_gateway_that_is_gone(at_edge: Edge) -> None:
    await at_edge.server.stop(0)
    response = await at_edge.http.get(f"/v1/sessions/{SESSION}")
    _check_status(response, 503, code_pb2.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    assert "connect" not in response.text
    deadline = time.monotonic() + 10
    while (await at_edge.http.get("/healthz")).status_code != 503:
        assert time.monotonic() < deadline


async def test_a_stream_of_events(at_edge: Edge) -> None:
    response = await at_edge.http.get(f"/v1/sessions/{SESSION}/stream")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.text == "id: 1\ndata: {}\n\nid: 2\ndata: {}\n\n"


async def test_grpc_at_the_same_port(at_edge: Edge) -> None:
    async with grpc.aio.insecure_channel(at_edge.url.removeprefix("http://")) as channel:
        stub = conversation_service_pb2_grpc.ConversationServiceStub(channel)
        request = conversation_service_pb2.GetSessionRequest(session_id=SESSION)
        reply = await stub.GetSession(request, timeout=5)
        assert reply.session.session_id == SESSION
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetSession(request, timeout=5, metadata=(("authorization", "Bearer junk"),))
        # The edge's own refusals carry the reason as the services' do, so that clients read one kind of error.
        _check_native(refused.value, code_pb2.UNAUTHENTICATED, "CREDENTIAL_INVALID")
        with pytest.raises(grpc.aio.AioRpcError) as nowhere:
            await channel.unary_unary("/groundline.conversation.v1.ConversationService/Nothing")(b"", timeout=5)
        _check_native(nowhere.value, code_pb2.UNIMPLEMENTED, "METHOD_NOT_FOUND")
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=5)).status == 1
