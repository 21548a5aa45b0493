"""What all jobs have in common: which refusals of a peer end a command, and which are worth another try."""

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


class Job(Handler[C]):
    """A handler that calls peers. `work` may let a peer's RemoteError escape: it becomes Dead or Retry by its code."""

    async def handle(self, command: C, attempt: Attempt) -> Outcome:
        """Does the work."""
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
    return Dead(error) if refusal.code in FINAL else Retry(error, refusal.retry_after_s)
