"""Inference at an endpoint: what it says is read strictly, and whatever is no judgement is an error."""

import json

import pytest

from meshkit.models.endpoint import Endpoint
from meshkit.models.entailment import MOST_PAIRS, Entailment, EntailmentEndpoint
from meshkit.models.errors import ChatError, ChatTimeout
from tests.models.scripted_server import HangUp, Reply, Scripted, ScriptedServer, error, json_reply, predictions

PAIRS = [("It holds 40.", "It holds forty."), ("It holds 40.", "It holds 60.")]


async def test_each_pair_has_its_judgement(server: ScriptedServer) -> None:
    server.predictions.append(predictions((0.9, 0.08, 0.02), (0.01, 0.09, 0.9)))
    endpoint = EntailmentEndpoint(Endpoint(server.base_url))
    found = await endpoint.judge(PAIRS, deadline_s=5)
    await endpoint.close()
    assert found == [Entailment(0.9, 0.08, 0.02), Entailment(0.01, 0.09, 0.9)]
    assert server.requests[0].body == {"inputs": [list(each) for each in PAIRS], "truncate": True}


async def test_many_pairs_go_in_calls_that_the_server_takes(server: ScriptedServer) -> None:
    endpoint = EntailmentEndpoint(Endpoint(server.base_url))
    found = await endpoint.judge([PAIRS[0]] * (MOST_PAIRS + 1), deadline_s=5)
    await endpoint.close()
    assert len(found) == MOST_PAIRS + 1
    assert [len(each.body["inputs"]) for each in server.requests] == [MOST_PAIRS, 1]


async def test_two_labels_are_enough(server: ScriptedServer) -> None:
    two = [{"label": "ENTAILMENT", "score": 0.2}, {"label": "not_entailment", "score": 0.8}]
    server.predictions.append(json_reply([two]))
    endpoint = EntailmentEndpoint(Endpoint(server.base_url))
    found = await endpoint.judge(PAIRS[:1], deadline_s=5)
    await endpoint.close()
    assert found == [Entailment(0.2, 0.8, 0.0)]


def _row(*labels: tuple[object, object]) -> Scripted:
    return json_reply([[{"label": label, "score": score} for label, score in labels]])


BROKEN: dict[str, Scripted] = {
    "500": error(500),
    "429": error(429),
    "422": error(422),
    "hangs up": HangUp(),
    "stalls": Reply(b"[[]]", stall=True),
    "a byte now and then": Reply(b"[[]]" * 50, byte_every_s=0.2),
    "empty": Reply(b""),
    "not JSON": Reply(b"<html>"),
    "NaN": Reply(b'[[{"label": "entailment", "score": NaN}]]'),
    "an object": json_reply({"label": "entailment", "score": 1.0}),
    "one pair too few": json_reply([]),
    "one pair too many": predictions((1, 0, 0), (1, 0, 0)),
    "no labels": json_reply([[]]),
    "labels that mean nothing": _row(("LABEL_0", 1.0)),
    "label twice": _row(("entailment", 0.5), ("entailment", 0.5)),
    "a score above one": _row(("entailment", 7.0), ("neutral", -6.0)),
    "shares of two": _row(("entailment", 1.0), ("contradiction", 1.0)),
    "a score in words": _row(("entailment", "high"), ("neutral", 0.0)),
    "true for a score": _row(("entailment", True)),
    "only the denial": _row(("contradiction", 1.0)),
    "nested without end": Reply(b"[" * 100_000),
    "10 MB": Reply(json.dumps("x" * 10_000_000).encode()),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_no_judgement_is_an_error(server: ScriptedServer, kind: str) -> None:
    server.predictions.append(BROKEN[kind])
    endpoint = EntailmentEndpoint(Endpoint(server.base_url))
    with pytest.raises(ChatError):
        await endpoint.judge(PAIRS[:1], deadline_s=1)
    # The next call is not hurt by it.
    assert len(await endpoint.judge(PAIRS, deadline_s=5)) == len(PAIRS)
    await endpoint.close()


async def test_all_calls_together_have_the_deadline(server: ScriptedServer) -> None:
    server.predictions.extend([predictions(*[(1, 0, 0)] * MOST_PAIRS), Reply(b"[[]]", stall=True)])
    endpoint = EntailmentEndpoint(Endpoint(server.base_url))
    with pytest.raises(ChatTimeout):
        await endpoint.judge([PAIRS[0]] * (MOST_PAIRS + 1), deadline_s=0.5)
    await endpoint.close()
