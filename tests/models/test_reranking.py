"""A reranker at an endpoint: scores in the order of the texts, or a plain failure in time."""

import time

import pytest

from meshkit.models.endpoint import Endpoint
from meshkit.models.errors import ChatMalformed, ChatRateLimited, ChatTimeout, ChatUnavailable
from meshkit.models.reranking import open_reranker
from tests.models.scripted_server import HangUp, Reply, error, json_reply

TEXTS = ["one", "two", "three"]


@pytest.fixture
async def reranker(server):
    reranker = await open_reranker("scripted", endpoint=Endpoint(server.base_url))
    yield reranker
    await reranker.close()


def results(*scores, order=None):
    rows = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
    return json_reply({"results": [rows[index] for index in order or range(len(rows))]})


def by_length(request):
    return results(*(len(each) for each in request.body["documents"]))


async def test_scores_come_in_the_order_of_the_texts(server, reranker):
    server.rerank.append(results(0.1, 0.9, -3, order=(1, 0, 2)))
    assert await reranker.scores("which?", TEXTS, deadline_s=5) == [0.1, 0.9, -3]
    assert server.requests[-1].body == {"model": "scripted", "query": "which?", "documents": TEXTS, "top_n": 3}
    assert reranker.name == "endpoint:scripted"


async def test_many_texts_are_sent_in_portions_and_odd_ones_as_something(server, reranker):
    server.respond = by_length
    texts = ["x" * (number % 7 + 1) for number in range(70)] + ["", "\ud800", "y" * 20_000]
    scores = await reranker.scores("which?", texts, deadline_s=5)
    assert scores == [*(number % 7 + 1 for number in range(70)), 1, 1, 8192]
    assert [len(each.body["documents"]) for each in server.requests] == [32, 32, 9]
    assert await reranker.scores("which?", [], deadline_s=5) == []


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (error(500), ChatUnavailable),
        (error(400), ChatUnavailable),
        (error(401), ChatUnavailable),
        (error(404), ChatUnavailable),
        (error(429), ChatRateLimited),
        (HangUp(), ChatUnavailable),
        (Reply(b"no JSON"), ChatMalformed),
        (Reply(b""), ChatMalformed),
        (Reply(b"[]"), ChatMalformed),
        (json_reply({}), ChatMalformed),
        (json_reply({"results": {}}), ChatMalformed),
        (results(1, 2), ChatMalformed),
        (results(1, 2, 3, 4), ChatMalformed),
        (results(1, 2, 3, order=(0, 1, 1)), ChatMalformed),
        (results(1, 2, None), ChatMalformed),
        (results(1, 2, "3"), ChatMalformed),
        (results(1, 2, True), ChatMalformed),
        (Reply(b'{"results": [{"index": 0, "relevance_score": NaN}]}'), ChatMalformed),
        (json_reply({"results": [{"index": -1, "relevance_score": 1}] * 3}), ChatMalformed),
        (json_reply({"results": [{"index": 0.0, "relevance_score": 1}] * 3}), ChatMalformed),
        (Reply(b"[" * 100_000), ChatMalformed),
        (Reply(b"x" * 100, send_only=10), ChatUnavailable),
        (Reply(b"x" * 1000, chunked_without_end=True), ChatUnavailable),
    ],
)
async def test_whatever_is_no_answer_is_a_failure(server, reranker, reply, failure):
    server.rerank.append(reply)
    with pytest.raises(failure):
        await reranker.scores("which?", TEXTS, deadline_s=5)
    server.rerank.append(results(3, 2, 1))
    assert await reranker.scores("which?", TEXTS, deadline_s=5) == [3, 2, 1], "the next one is served"


@pytest.mark.parametrize("reply", [Reply(b"{}", stall=True), Reply(b"{}" + b" " * 500, byte_every_s=0.02)])
async def test_it_waits_no_longer_than_it_was_told(server, reranker, reply):
    server.rerank.append(reply)
    started = time.monotonic()
    with pytest.raises(ChatTimeout):
        await reranker.scores("which?", TEXTS, deadline_s=0.2)
    assert time.monotonic() - started < 2
