"""What all jobs have in common: which refusals of a peer end a command, and which are worth another try."""

import asyncio
import random
from abc import abstractmethod
from typing import TypeVar

from google.protobuf.message import Message
from google.rpc import code_pb2

from meshkit.errors import RemoteError
from meshkit.outbox import Attempt, Dead, Handler, Outcome, Retry

C = TypeVar("C", bound=Message)

# The peer understood, and will say the same tomorrow. A credential that is refused is not among them: keys are
# rotated, and a method that is unknown today is there once the peer is rolled out.
FINAL = frozenset(
    {
        code_pb2.INVALID_ARGUMENT,
        code_pb2.NOT_FOUND,
        code_pb2.ALREADY_EXISTS,
        code_pb2.FAILED_PRECONDITION,
        code_pb2.OUT_OF_RANGE,
    }
)


# The peer is away or has no room, or takes no token of ours (this machine's clock is wrong, or its key): that says
# nothing about the command.
PASSING = frozenset({code_pb2.UNAVAILABLE, code_pb2.RESOURCE_EXHAUSTED, code_pb2.UNAUTHENTICATED})
# A peer that restarts is back in a second or two. Waiting here spares the command the detour through its row; beyond,
# others get the place.
AWAY_PAUSES_S = (0.2, 0.4, 0.8, 1.6, 3.2)
AWAY_RETRY_S = (1.0, 5.0)


class Job(Handler[C]):
    """A handler that calls peers. `work` may let a peer's RemoteError escape: it becomes Dead or Retry by its code.

    `work` is done again at once where the peer was away for a moment: it may be repeated in any case.
    """

    async def handle(self, command: C, attempt: Attempt) -> Outcome:
        """Does the work."""
        for pause_s in AWAY_PAUSES_S:
            try:
                return await self.work(command, attempt)
            except RemoteError as exc:
                if exc.code != code_pb2.UNAVAILABLE:
                    return outcome_of(exc)
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))
        try:
            return await self.work(command, attempt)
        except RemoteError as exc:
            return outcome_of(exc)

    @abstractmethod
    async def work(self, command: C, attempt: Attempt) -> Outcome:
        """Does what the command asks."""


def outcome_of(refusal: RemoteError) -> Outcome:
    """Dead for what can never work, else Retry, no earlier than the peer asked."""
    error = f"peer answered {refusal}"
    if refusal.code in PASSING:
        return Retry(error, (refusal.retry_after_s or 0.0) + random.uniform(*AWAY_RETRY_S), counts=False)
    return Dead(error) if refusal.code in FINAL else Retry(error, refusal.retry_after_s)
