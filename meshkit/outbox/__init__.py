"""The outbox: typed commands that commit with the state change that causes them, and the relay that carries them."""

from meshkit.outbox.handling import Attempt, Dead, Done, Handler, Outcome, Retry
from meshkit.outbox.relay import Relay
from meshkit.outbox.road import EmbeddedRoad, Forwarded, Road, Undelivered
from meshkit.outbox.rows import Claimed, claim, complete, complete_keys, dead, extend, put, retry
from meshkit.outbox.tidying import Tidying

__all__ = [
    "Attempt",
    "Claimed",
    "Dead",
    "Done",
    "EmbeddedRoad",
    "Forwarded",
    "Handler",
    "Outcome",
    "Relay",
    "Retry",
    "Road",
    "Tidying",
    "Undelivered",
    "claim",
    "complete",
    "complete_keys",
    "dead",
    "extend",
    "put",
    "retry",
]
