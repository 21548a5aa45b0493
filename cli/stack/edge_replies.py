"""What the edge says when it refuses a call itself: google.rpc.Status as JSON, with a reason of the contract."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from google.rpc import code_pb2, error_details_pb2, status_pb2

from meshkit.errors import ERROR_DOMAIN


@dataclass(frozen=True)
class Reply:
    """An HTTP status in gRPC's terms. `reason` is a groundline.options.v1.ErrorReason without its prefix."""

    http_status: int
    grpc_code: int
    reason: str
    message: str
    """What a client is told; over REST, ENVOYS_WORDS may stand for what Envoy says of the case."""
    retry_after_s: int = 0
    native_code: int | None = None
    """The code over native gRPC, where it is another."""

    def status(self) -> status_pb2.Status:
        """The answer over native gRPC."""
        message = _INVALID if self.message == ENVOYS_WORDS else self.message
        status = status_pb2.Status(code=self.native_code or self.grpc_code, message=message)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=ERROR_DOMAIN))
        if self.retry_after_s:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.seconds = self.retry_after_s
            status.details.add().Pack(retry)
        return status


# Envoy's own words tell where a JSON body or a query is wrong. Elsewhere they would tell of our inside, or of which
# check a credential did not pass, or there are none.
ENVOYS_WORDS = "%LOCAL_REPLY_BODY%"
_INVALID = "The request is not valid."
_TOO_MANY = "Too many requests. Try again shortly."

REPLIES: tuple[Reply, ...] = (
    Reply(400, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", _INVALID),
    Reply(401, code_pb2.UNAUTHENTICATED, "CREDENTIAL_INVALID", "The credential is not valid."),
    # The edge itself forbids nothing else: who may do what is the services' to say.
    Reply(
        403,
        code_pb2.PERMISSION_DENIED,
        "ORIGIN_NOT_ALLOWED",
        "The request comes from another site, or does not say from where.",
    ),
    Reply(
        404,
        code_pb2.NOT_FOUND,
        "METHOD_NOT_FOUND",
        "No method answers here.",
        native_code=code_pb2.UNIMPLEMENTED,
    ),
    Reply(408, code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "The request took too long to arrive."),
    Reply(413, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", "The request is too large."),
    Reply(429, code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED", _TOO_MANY, retry_after_s=1),
    Reply(431, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", "The request's headers are too large."),
    Reply(
        503, code_pb2.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "The service can't be reached. Try again.", retry_after_s=1
    ),
    Reply(504, code_pb2.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "The service took too long."),
)
_OTHER_CLIENT_ERROR = Reply(400, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", _INVALID)
_OTHER_SERVER_ERROR = Reply(500, code_pb2.INTERNAL, "INTERNAL", "Something unforeseen went wrong.")
_OVERFLOW = Reply(429, code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED", _TOO_MANY, retry_after_s=1)
_WRONG_AUDIENCE = Reply(401, code_pb2.UNAUTHENTICATED, "CREDENTIAL_INVALID", "The credential is not valid.")
_BAD_JSON = Reply(400, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", ENVOYS_WORDS)
_NO_UPGRADE = Reply(400, code_pb2.INVALID_ARGUMENT, "INVALID_REQUEST", _INVALID)


def local_replies() -> list[dict[str, Any]]:
    """Envoy's mappers; the first whose filter matches applies."""
    cases: list[tuple[dict[str, Any], Reply, bool]] = [
        ({"response_flag_filter": {"flags": ["UO"]}}, _OVERFLOW, True),
        # jwt_authn answers 403 to a token for another audience; to us that is a bad credential like any other.
        (_details("Audiences_in_Jwt"), _WRONG_AUDIENCE, True),
        (_details("transcode_failure{INVALID_ARGUMENT}"), _BAD_JSON, False),
        # Envoy answers 403 to WebSocket and the like.
        (_details("upgrade_failed"), _NO_UPGRADE, True),
        *((_status("EQ", reply.http_status), reply, False) for reply in REPLIES),
        (_status("GE", 500), _OTHER_SERVER_ERROR, False),
        (_status("GE", 400), _OTHER_CLIENT_ERROR, False),
    ]
    native = [_native_mapper(_all(_native_grpc(), _not_transcoded(), when), reply) for when, reply, _ in cases]
    return [*native, *(_mapper(when, reply, rewrite_status=rewrite) for when, reply, rewrite in cases)]


def _native_mapper(when: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """Native gRPC: the text becomes grpc-message, so it must stay text; the reason travels as the services send it."""
    status = reply.status()
    details = base64.b64encode(status.SerializeToString()).decode().rstrip("=")
    return {
        "filter": when,
        "headers_to_add": [
            _header("grpc-status", str(status.code)),
            _header("grpc-status-details-bin", details),
        ],
        "body_format_override": {"text_format_source": {"inline_string": status.message}},
    }


def _header(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _all(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


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


def _mapper(when: dict[str, Any], reply: Reply, *, rewrite_status: bool) -> dict[str, Any]:
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reply.reason,
            "domain": ERROR_DOMAIN,
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
