"""What the edge says when it refuses a call itself: google.rpc.Status as JSON, with a reason of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ERROR_DOMAIN = "groundline.dev"


@dataclass(frozen=True)
class Reply:
    """An HTTP status in gRPC's terms. `reason` is a groundline.options.v1.ErrorReason without its prefix."""

    http_status: int
    grpc_code: int
    reason: str
    retry_after_s: int = 0
    message: str = "%LOCAL_REPLY_BODY%"
    """Envoy's own words, unless they would tell an outsider about our inside."""


REPLIES: tuple[Reply, ...] = (
    Reply(400, 3, "INVALID_REQUEST"),
    Reply(401, 16, "CREDENTIAL_INVALID"),
    Reply(403, 7, "OUT_OF_SCOPE"),
    Reply(404, 5, "INVALID_REQUEST"),
    Reply(408, 4, "DEADLINE_EXCEEDED"),
    Reply(413, 3, "INVALID_REQUEST"),
    Reply(429, 8, "OVERLOADED", retry_after_s=1, message="too many requests"),
    Reply(503, 14, "DEPENDENCY_UNAVAILABLE", retry_after_s=1, message="the service can't be reached now"),
    Reply(504, 4, "DEADLINE_EXCEEDED", message="the service took too long"),
)
_OTHER_CLIENT_ERROR = Reply(400, 3, "INVALID_REQUEST")
_OTHER_SERVER_ERROR = Reply(500, 13, "INTERNAL", message="internal error")
_OVERFLOW = Reply(429, 8, "OVERLOADED", retry_after_s=1, message="too many requests")
_WRONG_AUDIENCE = Reply(401, 16, "CREDENTIAL_INVALID")


def local_replies() -> list[dict[str, Any]]:
    """Envoy's mappers; the first whose filter matches applies."""
    return [
        # Native gRPC: the text becomes grpc-message, so it must stay text.
        {
            "filter": {"and_filter": {"filters": [_native_grpc(), _not_transcoded()]}},
            "body_format_override": {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}},
        },
        _mapper({"response_flag_filter": {"flags": ["UO"]}}, _OVERFLOW, rewrite_status=True),
        # jwt_authn answers 403 to a token for another audience; to us that is a bad credential like any other.
        _mapper(_details("Audiences_in_Jwt"), _WRONG_AUDIENCE, rewrite_status=True),
        *(_mapper(_status("EQ", reply.http_status), reply) for reply in REPLIES),
        _mapper(_status("GE", 500), _OTHER_SERVER_ERROR),
        _mapper(_status("GE", 400), _OTHER_CLIENT_ERROR),
    ]


def _native_grpc() -> dict[str, Any]:
    header = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    return {"header_filter": {"header": header}}


def _not_transcoded() -> dict[str, Any]:
    header = {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}
    return {"header_filter": {"header": header}}


def _status(operator: str, value: int) -> dict[str, Any]:
    comparison = {"op": operator, "value": {"default_value": value, "runtime_key": f"edge.local_reply.{value}"}}
    return {"status_code_filter": {"comparison": comparison}}


def _details(part: str) -> dict[str, Any]:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                "expression": f"response.code_details.contains('{part}')",
            },
        }
    }


def _mapper(when: dict[str, Any], reply: Reply, rewrite_status: bool = False) -> dict[str, Any]:
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reply.reason,
            "domain": _ERROR_DOMAIN,
            "metadata": {"request_id": "%REQ(X-REQUEST-ID)%"},
        }
    ]
    if reply.retry_after_s:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{reply.retry_after_s}s"})
    mapper: dict[str, Any] = {
        "filter": when,
        "body_format_override": {
            "json_format": {"code": reply.grpc_code, "message": reply.message, "details": details},
            "content_type": "application/json",
            # What is refused before it has an id has none to tell, and null is no string.
            "omit_empty_values": True,
        },
    }
    if rewrite_status:
        mapper["status_code"] = reply.http_status
    return mapper
