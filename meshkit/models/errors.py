"""What can go wrong with a model. Messages carry closed reasons only: never a key, a prompt or a server's own text."""

from typing import ClassVar, Literal

from meshkit.errors import DeadlineExceeded, DependencyUnavailable

UnavailableReason = Literal[
    "connection", "server_error", "unauthorized", "not_found", "bad_request", "response_too_large", "local_queue_full"
]
MalformedReason = Literal["empty", "not_json", "not_a_completion", "truncated", "refused", "wrong_schema"]


class ModelCorrupt(Exception):
    """A model's files are not what they should be. The process can't serve with them; the message says which."""


class EmbeddingUnavailable(DependencyUnavailable):
    """The embedding model can't be reached, or gave something that is no embedding."""


class EmbeddingTimeout(DeadlineExceeded):
    """The embedding model didn't answer in time."""


class ChatError(Exception):
    """A chat model gave no usable answer. `outcome` is its metric label."""

    outcome: ClassVar[str] = "error"


class ChatUnavailable(ChatError):
    """The model can't be reached or refuses to serve; the same call later may succeed."""

    outcome = "unavailable"

    def __init__(self, reason: UnavailableReason, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class ChatTimeout(ChatError):
    """The whole answer wasn't there by the deadline."""

    outcome = "timeout"

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"no answer within {deadline_s:g} s")
        self.deadline_s = deadline_s


class ChatRateLimited(ChatError):
    """The provider asks for a pause; `retry_after_s` is its wish, bounded, or None where it named none."""

    outcome = "rate_limited"

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__("rate limited")
        self.retry_after_s = retry_after_s


class ChatMalformed(ChatError):
    """An answer came, and it is not one that can be used."""

    outcome = "malformed"

    def __init__(self, reason: MalformedReason) -> None:
        super().__init__(reason)
        self.reason = reason
