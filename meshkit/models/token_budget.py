"""A limit of tokens per key, kept in this process's memory."""

from collections import OrderedDict
from types import TracebackType

from meshkit.models.chat import TokenUsage
from meshkit.models.errors import ChatRateLimited, ChatUnavailable


class TokenBudgetSpent(Exception):
    """The key has not enough tokens left; `remaining` says how many."""

    def __init__(self, remaining: int) -> None:
        super().__init__(f"{remaining} tokens left")
        self.remaining = remaining


class TokenBudget:
    """At most `limit` tokens for each key.

    Tokens are reserved before a call and settled after it, so that calls at the same time can't overspend together.
    The `max_keys` keys used last are remembered: a key that falls out starts anew, one with a call in flight never
    falls out. Not for several threads.
    """

    def __init__(self, limit: int, *, max_keys: int = 10_000) -> None:
        if limit < 0 or max_keys < 1:
            raise ValueError("limit must be at least 0 and max_keys at least 1")
        self._limit = limit
        self._max_keys = max_keys
        self._spent: OrderedDict[str, int] = OrderedDict()
        self._reserved: dict[str, int] = {}

    def remaining(self, key: str) -> int:
        """Tokens that may still be reserved."""
        return max(0, self._limit - self._spent.get(key, 0) - self._reserved.get(key, 0))

    def reserve(self, key: str, tokens: int) -> "Reservation":
        """Takes `tokens` (prompt and answer, as estimated) for one call. TokenBudgetSpent if so many are not left."""
        if tokens < 0:
            raise ValueError("tokens must not be negative")
        if tokens > self.remaining(key):
            raise TokenBudgetSpent(self.remaining(key))
        self._reserved[key] = self._reserved.get(key, 0) + tokens
        return Reservation(self, key, tokens)

    def charge(self, key: str, tokens: int) -> None:
        """Counts tokens that were spent, even beyond the limit."""
        self._spent[key] = self._spent.get(key, 0) + tokens
        self._spent.move_to_end(key)
        if len(self._spent) > self._max_keys:
            oldest = next((each for each in self._spent if each not in self._reserved), None)
            if oldest is not None:
                del self._spent[oldest]

    def _settle(self, key: str, reserved: int, used: int) -> None:
        left = self._reserved[key] - reserved
        if left:
            self._reserved[key] = left
        else:
            del self._reserved[key]
        self.charge(key, used)


class Reservation:
    """Tokens put aside for one call, as a context manager.

    Costs what `used` was told. Told nothing, it costs all that was reserved, for a call that timed out may have been
    served to its end; or nothing, if the call was refused before it began.
    """

    def __init__(self, budget: TokenBudget, key: str, tokens: int) -> None:
        self._budget = budget
        self._key = key
        self._tokens = tokens
        self._used: int | None = None

    def used(self, usage: TokenUsage) -> None:
        """What the call really took."""
        self._used = usage.total

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        used = self._used
        if used is None:
            used = 0 if isinstance(exc, ChatUnavailable | ChatRateLimited) else self._tokens
        self._budget._settle(self._key, self._tokens, used)
