"""One line per call: who, what, how it ended, how long. Never a message: fields may be sensitive."""

import logging
import time

from meshkit.call import Call
from meshkit.errors import code_name
from meshkit.interceptors.layer import Layer, Refused, outcome
from meshkit.telemetry import log_call, trace_id


class AccessLog(Layer):
    """Probes are logged only at level debug: they come every second and say nothing."""

    name = "access_log"
    inside = ("request_id", "tracing", "metrics")

    def after(self, call: Call, error: BaseException | None) -> BaseException | None:
        fields: dict[str, object] = {
            "method": call.method.path,
            "code": code_name(outcome(call, error)),
            "reason": error.reason if isinstance(error, Refused) else None,
            "ms": round((time.monotonic() - call.started) * 1000, 2),
            "role": call.principal.role_name,
            "request_id": call.request_id,
            "trace_id": trace_id(call.traceparent),
        }
        log_call(logging.DEBUG if call.method.exempt else logging.INFO, "rpc", fields)
        return error
