"""Refuses calls beyond what this process can serve at once: quickly, and with the time to come again."""

from dataclasses import dataclass

from meshkit.call import Call
from meshkit.errors import Overloaded
from meshkit.interceptors.layer import Layer

RETRY_S = 0.5


class Admission(Layer):
    """Counts calls in flight, all methods together. Streams without an end are counted apart: they are many, hardly
    work, and must not keep calls out. Probes are always let in."""

    name = "admission"
    inside = ("errors",)

    def __init__(self, max_calls: int, max_streams: int) -> None:
        self._calls = _Places(max_calls)
        self._streams = _Places(max_streams)

    def before(self, call: Call) -> None:
        places = self._places(call)
        if places is None:
            return
        if places.taken >= places.limit:
            raise Overloaded(retry_after_s=RETRY_S)
        places.taken += 1

    def after(self, call: Call, error: BaseException | None) -> BaseException | None:
        places = self._places(call)
        if places is not None:
            places.taken -= 1
        return error

    def _places(self, call: Call) -> "_Places | None":
        if call.method.exempt:
            return None
        return self._streams if call.method.max_stream_s is not None else self._calls


@dataclass(slots=True)
class _Places:
    limit: int
    taken: int = 0
