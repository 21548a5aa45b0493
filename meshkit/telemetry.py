"""Logs, metrics and trace context, the same in every process."""

import logging
import random
import re
import sys
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from structlog.tracebacks import ExceptionDictTransformer

from meshkit import call
from meshkit.log_lines import LineLogger, render

# From 1 ms to 30 s; a turn with a language model takes seconds, a message some milliseconds.
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_FIXED_LABELS = frozenset({"method", "code", "reason", "type", "outcome", "status", "stage", "model", "kind", "name"})

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch

tracer = trace.get_tracer("groundline")
_spans_exported = False
# Stream, service and level of `log_call`.
_call_lines: tuple[LineLogger, str, int] | None = None


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger. First argument of its methods: a constant event name; then identifiers as keywords."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(component=name)
    return logger


def configure_logging(service: str, level: str = "info", *, stream: TextIO | None = None) -> None:
    """JSON lines on `stream` (default: standard output), with the ids of the current activity. Call once, at start."""
    global _call_lines
    threshold = logging.getLevelNamesMapping()[level.upper()]
    lines = LineLogger(stream or sys.stdout)
    _call_lines = (lines, service, threshold)
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_activity,
    ]

    def add_service(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    shared.append(add_service)
    # Local variables hold what customers wrote, and secrets: never in a log.
    tracebacks = structlog.processors.ExceptionRenderer(_first_lines)
    structlog.configure(
        processors=[*shared, tracebacks, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lines,
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library: one format for all.
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, tracebacks],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


_transform = ExceptionDictTransformer(show_locals=False)


def _first_lines(exc_info: Any) -> list[dict[str, Any]]:
    """An exception's stacks. Of its words only the first line: below it, PostgreSQL quotes the row that it refused."""
    stacks = _transform(exc_info)
    for each in stacks:
        each["exc_value"] = str(each["exc_value"]).partition("\n")[0]
    return stacks


def log_call(level: int, event: str, fields: dict[str, object]) -> None:
    """The short way into the log, for what is logged with every call; the same line as a logger would write.

    Going through the processors costs about a third of the whole chain. Silent until `configure_logging`.
    """
    if _call_lines is None or level < _call_lines[2]:
        return
    lines, service, _ = _call_lines
    head = {"event": event, "level": logging.getLevelName(level).lower(), "at": _now(), "service": service}
    lines.info(head | fields)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _add_activity(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    activity = call.current_activity()
    if activity is not None:
        event.setdefault("request_id", activity.request_id)
        event.setdefault("trace_id", trace_id(activity.traceparent))
    return event


def counter(name: str, help: str, labels: Sequence[str] = (), *, registry: CollectorRegistry = REGISTRY) -> Counter:
    """A counter whose labels come from closed sets: ValueError for a label that this file doesn't know."""
    return Counter(name, help, _closed(labels), registry=registry)


def gauge(name: str, help: str, labels: Sequence[str] = (), *, registry: CollectorRegistry = REGISTRY) -> Gauge:
    """A gauge; labels as in `counter`."""
    return Gauge(name, help, _closed(labels), registry=registry)


def histogram(
    name: str,
    help: str,
    labels: Sequence[str] = (),
    *,
    buckets: Sequence[float] = SECONDS_BUCKETS,
    registry: CollectorRegistry = REGISTRY,
) -> Histogram:
    """A histogram, of seconds unless `buckets` say otherwise; labels as in `counter`."""
    return Histogram(name, help, _closed(labels), buckets=buckets, registry=registry)


def _closed(labels: Sequence[str]) -> Sequence[str]:
    open_ended = set(labels) - _FIXED_LABELS
    if open_ended:
        raise ValueError(f"labels must come from closed sets; unknown: {sorted(open_ended)}")
    return labels


def label_names(metric: MetricWrapperBase) -> tuple[str, ...]:
    """The labels of a metric, for tests."""
    return tuple(metric._labelnames)


def new_traceparent() -> str:
    """A W3C traceparent for a trace that starts here, not sampled."""
    # Ids, not secrets; and asking the kernel gives up the interpreter lock, which costs more than all of this.
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-00"


def usable_traceparent(value: object) -> bool:
    """Whether `value` is a version 00 traceparent with ids that are not zero."""
    return isinstance(value, str) and _TRACEPARENT(value) is not None


def trace_id(traceparent: str) -> str:
    """The trace's 32 hexadecimal digits, or ""."""
    return traceparent[3:35]


def export_spans(service: str, endpoint: str) -> None:
    """Turns tracing on: spans go to `endpoint` by OTLP over gRPC, in batches, from a thread of their own."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    use_tracer_provider(provider)


def use_tracer_provider(provider: trace.TracerProvider) -> None:
    """Makes spans real. Until then `tracing_on()` is False and calls only pass the ids of their trace on."""
    global tracer, _spans_exported
    trace.set_tracer_provider(provider)
    tracer = provider.get_tracer("groundline")
    _spans_exported = True


def tracing_on() -> bool:
    """Whether spans are recorded in this process."""
    return _spans_exported
