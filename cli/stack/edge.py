"""The edge's configuration: `envoy/edge.yaml` filled in from the contracts and this machine's ports.

Timeouts and stream lengths come from each method's `(groundline.options.v1.call)`, so that the edge can't disagree with
the services about how long a call may take.
"""

from __future__ import annotations

import json
import os
import string
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from cli.stack.edge_replies import local_replies
from cli.stack.errors import StackError

# Which cluster answers for which service. A service that the descriptor set doesn't hold is left out.
CLUSTER_OF_SERVICE: Mapping[str, str] = {
    "groundline.conversation.v1.ConversationService": "gateway",
    "groundline.orchestration.v1.OrchestrationService": "orchestrator",
    "groundline.retrieval.v1.RetrievalService": "retrieval",
    "groundline.knowledge.v1.KnowledgeService": "retrieval",
    "groundline.evaluation.v1.EvaluationService": "evaluator",
    "groundline.ticketing.v1.TicketingService": "ticketing",
    "groundline.commands.v1.CommandService": "worker-delivery",
    "groundline.commands.v1.AuditService": "worker-delivery",
    "groundline.webhooks.v1.WebhookService": "worker-delivery",
}
SESSION_COOKIE = "groundline_session"
_DEFAULT_DEADLINE_MS = 15_000
# In flight to one cluster. A service's own limits are lower for calls (it refuses with the time to come again) and as
# high for streams; these stand where a service can't answer any more.
_MOST_CALLS = 2_048
_MOST_STREAMS = 10_240
# The service cuts a call at its contract's deadline and says so with a reason. gRPC itself would cut it without one,
# and Envoy with its own words, so both are told a little more.
_GRPC_MARGIN_MS = 500
_ROUTE_MARGIN_MS = 1_000


@dataclass(frozen=True)
class Method:
    """What the edge needs to know of one RPC."""

    path: str
    cluster: str
    streams_out: bool
    deadline_ms: int
    max_stream_s: int


@dataclass(frozen=True)
class Limits:
    """What the edge takes in. Each can be set as GROUNDLINE_EDGE_<NAME>."""

    max_body_bytes: int = 1_048_576
    rate_limit_per_s: int = 5_000
    max_connections: int = 2_000


@dataclass(frozen=True)
class EdgeSettings:
    """Everything that differs between one edge and another."""

    edge_port: int
    admin_port: int
    descriptor: Path
    """Serialized FileDescriptorSet of the whole workspace, google.rpc's error details included."""
    jwks: Path
    upstreams: Mapping[str, Sequence[int]]
    """Cluster name to the ports of its replicas on `host`."""
    host: str = "127.0.0.1"
    limits: Limits = Limits()
    stream_idle_timeout_s: int = 60
    """Must be well above the streams' heartbeat of 15 s."""
    drain_timeout_s: int = 5


def limits_from_environment() -> Limits:
    """The limits that GROUNDLINE_EDGE_… variables set. Raises StackError if one is not a positive number."""
    limits = {}
    for field in fields(Limits):
        name = f"GROUNDLINE_EDGE_{field.name.upper()}"
        text = os.environ.get(name)
        if not text:
            continue
        if not text.isdigit() or int(text) == 0:
            raise StackError(f"{name} must be a positive whole number", exit_code=2)
        limits[field.name] = int(text)
    return Limits(**limits)


def read_methods(descriptor: Path) -> list[Method]:
    """Lists the methods of every service that has a cluster.

    Raises StackError if the file is missing or not a descriptor set.
    """
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(descriptor.read_bytes())
    except FileNotFoundError:
        raise StackError(f"{descriptor} is missing: run `make gen`") from None
    except Exception as error:
        raise StackError(f"{descriptor} is not a descriptor set ({type(error).__name__}): run `make gen`") from error
    # A pool of its own: the generated modules may hold an older version of the same files.
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return list(_methods(files, pool))


def _methods(files: descriptor_pb2.FileDescriptorSet, pool: descriptor_pool.DescriptorPool) -> Iterator[Method]:
    for file in files.file:
        for service in file.service:
            name = f"{file.package}.{service.name}"
            cluster = CLUSTER_OF_SERVICE.get(name)
            if cluster is None:
                continue
            for method in service.method:
                deadline_ms, max_stream_s = _call_option(method, pool)
                yield Method(f"/{name}/{method.name}", cluster, method.server_streaming, deadline_ms, max_stream_s)


def _call_option(method: descriptor_pb2.MethodDescriptorProto, pool: descriptor_pool.DescriptorPool) -> tuple[int, int]:
    try:
        extension = pool.FindExtensionByName("groundline.options.v1.call")
        options_type = pool.FindMessageTypeByName("google.protobuf.MethodOptions")
    except KeyError:
        return _DEFAULT_DEADLINE_MS, 0
    options: Any = message_factory.GetMessageClass(options_type)()
    options.ParseFromString(method.options.SerializeToString())
    call = options.Extensions[extension]
    return call.deadline_ms or _DEFAULT_DEADLINE_MS, call.max_stream_s


def render(settings: EdgeSettings, template: Path) -> str:
    """Fills in the template. Raises StackError if the descriptor can't be read or a value is missing."""
    methods = read_methods(settings.descriptor)
    known = {method.cluster for method in methods} | {"gateway"}
    values = {
        "host": settings.host,
        "edge_port": settings.edge_port,
        "admin_port": settings.admin_port,
        "max_connections": settings.limits.max_connections,
        "stream_idle_timeout": f"{settings.stream_idle_timeout_s}s",
        "drain_timeout": f"{settings.drain_timeout_s}s",
        "rate_limit": settings.limits.rate_limit_per_s,
        "max_body_bytes": settings.limits.max_body_bytes,
        "descriptor": json.dumps(str(settings.descriptor)),
        "jwks": json.dumps(str(settings.jwks)),
        "services": json.dumps(sorted({method.path.split("/")[1] for method in methods})),
        "routes": json.dumps(_routes(methods, settings)),
        "clusters": json.dumps(
            [_cluster(name, settings.host, ports) for name, ports in settings.upstreams.items() if name in known]
        ),
        "local_replies": json.dumps(local_replies()),
    }
    try:
        # JSON is YAML: what is computed goes in as flow style.
        return string.Template(template.read_text()).substitute(values)
    except (KeyError, ValueError) as error:
        raise StackError(f"{template} names a value that is not given: {error}") from error


def _routes(methods: list[Method], settings: EdgeSettings) -> list[dict[str, Any]]:
    return [
        *(_stream_route(method, settings) if method.streams_out else _unary_route(method) for method in methods),
        *(_grpc_prefix_route(prefix) for prefix in ("/grpc.reflection.", "/grpc.health.")),
        *_rest_routes(),
        {"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": {"inline_string": "no such resource"}}},
    ]


# Only what can't have reached the service is sent again: the edge doesn't know what is idempotent.
_RETRY = {
    "retry_on": "connect-failure,refused-stream",
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    # Where there is a replica, it is asked instead.
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
    "host_selection_retry_max_attempts": 3,
}


def _unary_route(method: Method) -> dict[str, Any]:
    timeout_s = (method.deadline_ms + _ROUTE_MARGIN_MS) / 1000
    return {
        "match": {"path": method.path},
        "route": {"cluster": method.cluster, "timeout": f"{timeout_s:.3f}s", "retry_policy": _RETRY},
        "request_headers_to_add": [
            {
                "header": {"key": "grpc-timeout", "value": f"{method.deadline_ms + _GRPC_MARGIN_MS}m"},
                "append_action": "ADD_IF_ABSENT",
            }
        ],
    }


def _stream_route(method: Method, settings: EdgeSettings) -> dict[str, Any]:
    route: dict[str, Any] = {
        "cluster": method.cluster,
        # Open streams are many and hardly work: counted apart, they leave calls their places, and calls theirs.
        "priority": "HIGH",
        "retry_policy": _RETRY,
        "timeout": "0s",
        "idle_timeout": f"{settings.stream_idle_timeout_s}s",
    }
    if method.max_stream_s:
        route["max_stream_duration"] = {"max_stream_duration": f"{method.max_stream_s + 5}s"}
    return {
        "match": {"path": method.path},
        "route": route,
        "response_headers_to_add": [
            {
                "header": {"key": key, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
            for key, value in (("cache-control", "no-cache, no-transform"), ("x-accel-buffering", "no"))
        ],
    }


def _grpc_prefix_route(prefix: str) -> dict[str, Any]:
    return {
        "match": {"prefix": prefix, "grpc": {}},
        "route": {"cluster": "gateway", "timeout": "0s", "idle_timeout": "60s"},
    }


def _rest_routes() -> Iterator[dict[str, Any]]:
    # Before transcoding the path is still the REST one; the route is chosen again after it. These only say whether the
    # cross-site check applies.
    cookie = {"name": "cookie", "string_match": {"contains": f"{SESSION_COOKIE}="}}
    # The header outranks the cookie, and no page can make a browser send it to another site unasked: whoever sends it
    # needs no origin. Scripts that keep cookies as browsers do are such callers.
    no_header = {"name": "authorization", "present_match": True, "invert_match": True}
    yield {
        "match": {"prefix": "/v1/", "headers": [cookie, no_header]},
        "route": {"cluster": "gateway"},
        "typed_per_filter_config": {
            "envoy.filters.http.csrf": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
                "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
            }
        },
    }
    yield {"match": {"prefix": "/v1/"}, "route": {"cluster": "gateway"}}


def _cluster(name: str, host: str, ports: Sequence[int]) -> dict[str, Any]:
    addresses = [{"socket_address": {"address": host, "port_value": port}} for port in ports]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                },
            }
        },
        "health_checks": [
            {
                "timeout": "1s",
                # A replica that drains says so, and is left alone from the next question on: before it stops.
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_interval": "0.25s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
        "circuit_breakers": {
            "thresholds": [
                {
                    "priority": priority,
                    "max_connections": 256,
                    "max_pending_requests": 512,
                    "max_requests": most,
                    "max_retries": 16,
                    "track_remaining": True,
                }
                for priority, most in (("DEFAULT", _MOST_CALLS), ("HIGH", _MOST_STREAMS))
            ]
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": each}} for each in addresses]}],
        },
    }


def validate(envoy: Path, config: Path, timeout_s: float = 20) -> None:
    """Has Envoy itself read the configuration. Raises StackError with Envoy's first complaint."""
    done = subprocess.run(
        [str(envoy), "--mode", "validate", "--log-level", "error", "-c", str(config)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        complaint = next((line for line in done.stderr.splitlines() if line.strip()), f"exit {done.returncode}")
        raise StackError(f"Envoy refuses {config}: {complaint}")
