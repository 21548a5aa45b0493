"""Everything of `rest_cases` through the edge: the documented status and reason, and nothing written."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest

from .kinds import KINDS
from .rest_cases import CASES
from .sent import Sent
from .world import World

ran: Counter[str] = Counter()


@pytest.mark.parametrize("sent", CASES, ids=str)
async def test_is_refused(sent: Sent, world: World) -> None:
    kind = KINDS[sent.kind]
    assert kind.http is not None
    async with world.unchanged():
        answered = await (_send(sent, world) if sent.raw is None and sent.kind != "body_size" else _write(sent, world))
        status, headers, body = answered
    ran[sent.kind] += 1
    assert status == kind.http, body
    assert headers["content-type"] == "application/json"
    assert not [name for name in headers if name.startswith(("grpc-", "x-envoy-"))]
    answer = json.loads(body)
    assert set(answer) == {"code", "message", "details"}
    (info,) = [each for each in answer["details"] if each["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"]
    assert (answer["code"], info["reason"], info["domain"]) == (kind.body_code, kind.reason, "groundline.dev")
    assert answer["message"].strip()
    told = answer["message"].lower()
    assert not [word for word in ("traceback", "exception", "asyncpg", "jwt", "select ", "upstream") if word in told]


async def test_every_case_ran(request: pytest.FixtureRequest) -> None:
    selected = [
        each for each in request.session.items if each.name.startswith("test_is_refused[") and each.path == request.path
    ]
    assert ran.total() == len(selected)
    assert len(CASES) == len({str(each) for each in CASES}) == 224


async def _send(sent: Sent, world: World) -> tuple[int, httpx.Headers, str]:
    headers = {name: world.fill(value) for name, value in sent.headers.items()}
    if sent.token is not None:
        headers["authorization"] = f"Bearer {world.names[sent.token]}"
    given: dict[str, Any] = {}
    if sent.body is not None:
        headers = {"content-type": "application/json", **headers}
        given["content"] = sent.body
    elif sent.json is not None:
        given["json"] = world.fill(sent.json)
    async with world.live.http() as http:
        # The path as it is written: a client must not tidy it up.
        url = httpx.URL(world.live.stack.edge_url).copy_with(raw_path=world.fill(sent.path).encode())
        response = await http.send(http.build_request(sent.verb, url, headers=headers, **given))
        return response.status_code, response.headers, response.text


async def _write(sent: Sent, world: World) -> tuple[int, httpx.Headers, str]:
    """For what no HTTP client sends, and for what is answered before it was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.live.stack.ports.edge)
    sending = asyncio.create_task(_pour(writer, _as_written(sent, world)))
    try:
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = httpx.Headers(
                [(name, value) for name, _, value in (line.partition(": ") for line in head[1:] if line)]
            )
            body = await reader.readexactly(int(headers["content-length"]))
    finally:
        sending.cancel()
        writer.close()
    return int(head[0].split()[1]), headers, body.decode()


async def _pour(writer: asyncio.StreamWriter, content: bytes) -> None:
    for start in range(0, len(content), 65_536):
        writer.write(content[start : start + 65_536])
        await writer.drain()


def _as_written(sent: Sent, world: World) -> bytes:
    if sent.raw is not None:
        return world.fill(sent.raw).encode("latin-1")  # type: ignore[no-any-return]
    assert sent.body is not None
    token = f"authorization: Bearer {world.names[sent.token]}\r\n" if sent.token else ""
    head = (
        f"{sent.verb} {world.fill(sent.path)} HTTP/1.1\r\nhost: edge\r\n{token}content-length: {len(sent.body)}\r\n\r\n"
    )
    return head.encode() + sent.body
