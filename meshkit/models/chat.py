"""Chat: the interface, and what goes in and comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

JsonSchema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens as the server counted them; `estimated` where it didn't say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        """All tokens that are paid for."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer. It is data from outside: never an instruction, a call or markup."""

    text: str
    parsed: Any | None
    """The JSON value in `text`; None unless a schema was given and `text` satisfies it."""
    model: str
    """The model that was asked, as configured."""
    usage: TokenUsage
    latency_s: float
    truncated: bool = False
    """The model ran into `max_tokens`."""


class ChatModel(Protocol):
    """A chat model."""

    @property
    def model(self) -> str:
        """Its name, as configured."""

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: JsonSchema | None = None,
        max_tokens: int,
        deadline_s: float,
        temperature: float = 0,
    ) -> Completion:
        """One answer of at most `max_tokens` tokens, all of it within `deadline_s` seconds, with no retry.

        With `schema` the model is held to it as far as the server can; whether it obeyed is in `parsed`. Raises
        ChatUnavailable, ChatTimeout, ChatRateLimited, ChatMalformed (no answer in what came, or a refusal).
        """

    async def close(self) -> None:
        """Closes the connections. May be called twice."""
