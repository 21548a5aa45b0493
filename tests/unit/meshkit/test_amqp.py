import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest

from meshkit.amqp import Broker
from meshkit.amqp.envelope import is_suspect, open_message, seal
from meshkit.amqp.topology import DELAYS_MS, Topology
from meshkit.outbox.rows import Claimed

CLAIMED = Claimed(
    outbox_id=uuid.uuid4(),
    type="say",
    payload_json="",
    key="k",
    ordering_key=None,
    attempts=0,
    lease_token=uuid.uuid4(),
    traceparent="",
)


def delivered(message: Any, *, redelivered: bool = False, **changes: Any) -> Any:
    properties = ("headers", "type", "content_type", "body")
    fields = {name: getattr(message, name) for name in properties} | changes
    return cast(Any, SimpleNamespace(**fields, redelivered=redelivered))


def test_what_is_sealed_is_opened() -> None:
    message = delivered(seal(CLAIMED, b"body", attempt=1, publication=CLAIMED.lease_token))
    opened = open_message(message)
    assert opened is not None
    assert (opened.outbox_id, opened.type, opened.body) == (CLAIMED.outbox_id, "say", b"body")
    assert opened.publication == CLAIMED.lease_token
    assert not is_suspect(message)


@pytest.mark.parametrize(
    "changes", [{"headers": {}}, {"headers": {"outbox_id": "no"}}, {"type": None}, {"content_type": "text/plain"}]
)
def test_what_is_not_ours_is_not_opened(changes: dict[str, Any]) -> None:
    message = seal(CLAIMED, b"", attempt=1, publication=None)
    assert open_message(delivered(message, **changes)) is None


def test_an_attempt_that_was_left_lying_makes_the_next_one_suspect() -> None:
    again = CLAIMED._replace(attempts=1)
    assert is_suspect(delivered(seal(again, b"", attempt=2, publication=CLAIMED.lease_token)))
    assert is_suspect(delivered(seal(CLAIMED, b"", attempt=1, publication=None), redelivered=True))
    # One that failed in good order came by way of a delay.
    assert not is_suspect(delivered(seal(again, b"", attempt=2, publication=None)))


def test_a_delay_is_never_shorter_than_asked_for() -> None:
    topology = Topology({"say": "talk"})
    for asked_s in (0.0, 0.2, 0.25, 0.3, 1.0, 7.9, 299.9, 300.0):
        delay_ms = topology.delay_for(asked_s)
        assert delay_ms is not None
        assert delay_ms >= asked_s * 1000
    assert topology.delay_for(300.1) is None
    assert list(DELAYS_MS) == sorted(DELAYS_MS)


def test_a_broker_does_not_say_its_url() -> None:
    assert "opensesame" not in repr(Broker("amqp://groundline:opensesame@127.0.0.1/"))
