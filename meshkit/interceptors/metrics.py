"""Counts and times every call. Stands outside the error layer, or failed calls would not be counted."""

import time
from collections import Counter
from typing import Self

from google.rpc import code_pb2

from meshkit.call import Call, Method
from meshkit.errors import code_name
from meshkit.interceptors.layer import Layer, Refused, outcome
from meshkit.telemetry import counter, gauge, histogram

CALLS = counter("groundline_rpc_calls_total", "Calls served, by method and code.", ["method", "code"])
REFUSALS = counter("groundline_rpc_refusals_total", "Calls refused, by method and reason.", ["method", "reason"])
SECONDS = histogram("groundline_rpc_seconds", "How long calls took.", ["method"])
_in_flight: Counter[str] = Counter()
IN_FLIGHT = gauge("groundline_rpc_in_flight", "Calls being served.", ["method"])


class Metrics(Layer):
    """Series are looked up once per method: finding them costs more than counting."""

    name = "metrics"
    inside = ("request_id",)

    def __init__(self, method: str = "") -> None:
        self._method = method
        self._seconds = SECONDS.labels(method)
        self._ok = CALLS.labels(method, "OK")

    def for_method(self, method: Method) -> Self:
        name = method.path.lstrip("/")
        # Read when scraped: two plain additions a call are cheaper than two locks.
        IN_FLIGHT.labels(name).set_function(lambda: _in_flight[name])
        return type(self)(name)

    def before(self, call: Call) -> None:
        _in_flight[self._method] += 1

    def after(self, call: Call, error: BaseException | None) -> BaseException | None:
        _in_flight[self._method] -= 1
        self._seconds.observe(time.monotonic() - call.started)
        code = outcome(call, error)
        if code == code_pb2.OK:
            self._ok.inc()
        else:
            CALLS.labels(self._method, code_name(code)).inc()
        if isinstance(error, Refused):
            REFUSALS.labels(self._method, error.reason).inc()
        return error
