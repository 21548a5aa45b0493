"""Joins the caller's trace, or begins one. Without an exporter no span is made: the ids are only passed on."""

from google.rpc import code_pb2
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from meshkit import telemetry
from meshkit.call import Call
from meshkit.interceptors.layer import Layer, Refused, outcome

HEADER = "traceparent"
_propagator = TraceContextTextMapPropagator()


class Tracing(Layer):
    """Sets `call.traceparent`, and records a server span where spans are exported."""

    name = "tracing"
    inside = ("request_id",)

    def before(self, call: Call) -> None:
        given = call.metadata.get(HEADER)
        if not isinstance(given, str) or not telemetry.usable_traceparent(given):
            given = telemetry.new_traceparent()
        call.traceparent = given
        if telemetry.tracing_on():
            parent = _propagator.extract({HEADER: given})
            call.span = telemetry.tracer.start_span(
                call.method.path.lstrip("/"), parent, trace.SpanKind.SERVER, {"rpc.system": "grpc"}
            )
            carrier: dict[str, str] = {}
            _propagator.inject(carrier, trace.set_span_in_context(call.span))
            call.traceparent = carrier.get(HEADER, given)

    def after(self, call: Call, error: BaseException | None) -> BaseException | None:
        if call.span is not None:
            code = outcome(call, error)
            call.span.set_attribute("rpc.grpc.status_code", code)
            if isinstance(error, Refused):
                call.span.set_attribute("error.type", error.reason)
            if code != code_pb2.OK:
                call.span.set_status(trace.StatusCode.ERROR)
            call.span.end()
        return error
