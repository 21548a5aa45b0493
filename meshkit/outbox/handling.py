"""What handles a command: one class per command type, with an explicit outcome."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeAlias, TypeVar
from uuid import UUID

from google.protobuf.message import Message

C = TypeVar("C", bound=Message)
MessageClass: TypeAlias = type[Message]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a command. `number` counts from 1; a try that never reported back counts too.

    `key` is the command's idempotency key: the same for every attempt.
    """

    outbox_id: UUID
    key: str
    number: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Done:
    """The command has had its effect, now or before."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It may work later. `error` goes into `last_error`: identifiers and reasons, no text that a customer wrote.

    `after_s` replaces the usual backoff. An attempt that says nothing about the command, for a peer was away or full,
    `counts` not toward the most that it may have (while the command is young: see the relay's pace).
    """

    error: str
    after_s: float | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Dead:
    """It can never work; a person has to look. `error` as in Retry."""

    error: str


Outcome: TypeAlias = Done | Retry | Dead


class Handler(ABC, Generic[C]):
    """Handles the commands of one type. Idempotent: any attempt may be the second that takes effect.

    `type` is the command's name in the outbox, `command` the class of its payload. `timeout_s` bounds one attempt,
    `concurrency` the attempts that run at once in this process. An exception that escapes `handle` counts as Retry.
    """

    type: ClassVar[str]
    command: ClassVar[MessageClass]
    timeout_s: ClassVar[float] = 30.0
    concurrency: ClassVar[int] = 8

    @abstractmethod
    async def handle(self, command: C, attempt: Attempt) -> Outcome:
        """Does what the command asks."""
