"""Embeddings from a server: in order, of length 1, or a plain refusal."""

import numpy as np
import pytest

from meshkit.errors import DeadlineExceeded, DependencyUnavailable
from meshkit.models.embeddings import open_embedder
from meshkit.models.endpoint import Endpoint
from tests.models.scripted_server import HangUp, Reply, embeddings, error, json_reply


@pytest.fixture
async def embedder(server):
    embedder = await open_embedder("scripted", endpoint=Endpoint(server.base_url, deadline_s=0.5))
    server.requests.clear()
    yield embedder
    await embedder.close()


async def test_vectors_in_order_in_portions(server, embedder):
    texts = [f"text {i}" for i in range(150)] + ["", "\ud800"]
    shuffled = embeddings(texts[:64])
    shuffled["data"].reverse()
    server.embeddings.append(json_reply(shuffled))
    vectors = await embedder.embed(texts)
    assert vectors.shape == (152, 8)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = await embedder.embed([texts[3]])
    assert np.allclose(alone[0], vectors[3])
    assert [len(request.body["input"]) for request in server.requests] == [64, 64, 24, 1]
    assert (await embedder.embed([])).shape == (0, 8)


async def test_its_name_tells_model_and_dimension(embedder):
    assert (embedder.name, embedder.dimension) == ("endpoint:scripted:8", 8)


async def test_a_dimension_is_asked_for(server):
    embedder = await open_embedder("scripted", endpoint=Endpoint(server.base_url), dimension=8)
    await embedder.warm()
    assert server.requests[0].body["dimensions"] == 8
    await embedder.close()


def row(*values, index=0):
    return {"index": index, "embedding": list(values)}


@pytest.mark.parametrize(
    "reply",
    [
        error(500),
        error(429),
        error(400),
        HangUp(),
        Reply(b"no JSON"),
        Reply(b""),
        Reply(b"[]"),
        json_reply({}),
        json_reply({"data": []}),
        json_reply({"data": [row(1, 2)]}),
        json_reply({"data": [row(*[0] * 8)]}),
        json_reply({"data": [row(*[1e60] * 8)]}),
        json_reply({"data": [row(*["x"] * 8)]}),
        json_reply({"data": [row(*range(8)), row(*range(8))]}),
        json_reply({"data": [row(*range(8), index=1)]}),
        json_reply({"data": [row(*range(8), index=-1)]}),
        json_reply({"data": ["x"]}),
        json_reply({"data": "x" * 5_000_000}),
    ],
)
async def test_no_vector_is_better_than_a_wrong_one(server, embedder, reply):
    server.embeddings.append(reply)
    with pytest.raises(DependencyUnavailable):
        await embedder.embed(["text"])
    assert (await embedder.embed(["text"])).shape == (1, 8)


@pytest.mark.parametrize("slow", [Reply(b"{}", stall=True), Reply(b" " * 100, byte_every_s=0.05)])
async def test_the_deadline_holds(server, embedder, slow):
    server.embeddings.append(slow)
    with pytest.raises(DeadlineExceeded):
        await embedder.embed(["text"])


async def test_opening_fails_when_the_server_does(server):
    server.embeddings.append(error(500))
    with pytest.raises(DependencyUnavailable):
        await open_embedder("scripted", endpoint=Endpoint(server.base_url))
