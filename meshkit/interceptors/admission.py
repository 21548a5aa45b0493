"""Refuses calls beyond what this process can serve at once: quickly, and with the time to come again."""

from meshkit.call import Call
from meshkit.errors import Overloaded
from meshkit.interceptors.layer import Layer

RETRY_S = 0.5


class Admission(Layer):
    """Counts the calls in flight of all methods together; probes are always let in."""

    name = "admission"
    inside = ("errors",)

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_flight = 0

    def before(self, call: Call) -> None:
        if self._in_flight >= self._limit and not call.method.exempt:
            raise Overloaded(retry_after_s=RETRY_S)
        self._in_flight += 1

    def after(self, call: Call, error: BaseException | None) -> BaseException | None:
        self._in_flight -= 1
        return error
