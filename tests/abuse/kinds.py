"""What outsiders get wrong, on purpose or not, and what each is answered with. docs/security.md shows this table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.rpc import code_pb2

from meshkit.errors import code_name


@dataclass(frozen=True)
class Kind:
    """One row. `http` is None for what only gRPC can send, `code` for what only REST can."""

    what: str
    http: int | None
    code: int | None
    reason: str
    by: str
    """Who refuses it: the edge, the service, or either, whichever sees it first."""
    rest_code: int | None = None
    """The code in a REST body, where it isn't `code`."""

    @property
    def body_code(self) -> int:
        """The code in a REST body."""
        code = self.rest_code if self.rest_code is not None else self.code
        assert code is not None
        return code


_INVALID = code_pb2.INVALID_ARGUMENT
_NOT_FOUND = code_pb2.NOT_FOUND
_DENIED = code_pb2.PERMISSION_DENIED
_UNAUTHENTICATED = code_pb2.UNAUTHENTICATED
_EXISTS = code_pb2.ALREADY_EXISTS
_PRECONDITION = code_pb2.FAILED_PRECONDITION
EDGE, SERVICE, EITHER = "edge", "service", "either"

KINDS: dict[str, Kind] = {
    # What a request looks like.
    "json_type": Kind("A field of the wrong JSON type", 400, None, "INVALID_REQUEST", EDGE, _INVALID),
    "json_syntax": Kind("JSON that is malformed, or no object", 400, None, "INVALID_REQUEST", EDGE, _INVALID),
    "query": Kind("An unknown query parameter", 400, None, "INVALID_REQUEST", EDGE, _INVALID),
    "collision": Kind("An id of the path again in the body, but another", 400, None, "INVALID_REQUEST", EDGE, _INVALID),
    "bytes": Kind("Bytes that are no protobuf message of the method", None, _INVALID, "INVALID_REQUEST", SERVICE),
    "utf8": Kind("Text that is not UTF-8", 400, _INVALID, "INVALID_REQUEST", EITHER),
    "nul": Kind("Text with a NUL character", 400, _INVALID, "INVALID_REQUEST", SERVICE),
    "long": Kind("A message of more than 16,384 bytes in UTF-8", 400, _INVALID, "INVALID_REQUEST", SERVICE),
    "blank": Kind("A message without a visible character", 400, _INVALID, "INVALID_REQUEST", SERVICE),
    "constraint": Kind("Another broken constraint of the contract", 400, _INVALID, "INVALID_REQUEST", SERVICE),
    "enum": Kind("An unknown value of an enum", 400, _INVALID, "INVALID_REQUEST", EITHER),
    "malformed_id": Kind("An id that is no UUID", 400, _INVALID, "INVALID_REQUEST", SERVICE),
    "page_size": Kind("A page size below 0, above 200, or no number", 400, _INVALID, "INVALID_REQUEST", EITHER),
    "page_token": Kind("A page token of another list or other filters", 400, _INVALID, "PAGE_TOKEN_INVALID", SERVICE),
    "mask": Kind("An update mask with an unknown or fixed field", 400, _INVALID, "FIELD_NOT_UPDATABLE", SERVICE),
    "media_type": Kind("A document of a kind that can't be read", 400, _INVALID, "MEDIA_TYPE_UNSUPPORTED", SERVICE),
    "body_size": Kind("A request of more than 1 MiB", 413, _INVALID, "INVALID_REQUEST", EDGE),
    "header_size": Kind("Headers of more than 60 KiB", 431, None, "INVALID_REQUEST", EDGE, _INVALID),
    "http": Kind("Broken HTTP, a header with `_`, an upgrade", 400, None, "INVALID_REQUEST", EDGE, _INVALID),
    "path": Kind("A path with an escaped `/`, `\\` or NUL", 400, None, "INVALID_REQUEST", EDGE, _INVALID),
    "method": Kind(
        "An unknown path, or another HTTP verb", 404, code_pb2.UNIMPLEMENTED, "METHOD_NOT_FOUND", EDGE, _NOT_FOUND
    ),
    # Who asks.
    "no_credential": Kind("No credential", 401, _UNAUTHENTICATED, "CREDENTIAL_MISSING", SERVICE),
    "credential": Kind(
        "A token that is malformed, expired, unsigned, signed by another key, or not for Groundline",
        401,
        _UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
        EITHER,
    ),
    "scope": Kind("Another session's token", 403, _DENIED, "OUT_OF_SCOPE", SERVICE),
    "role": Kind("A role that may not call the method", 403, _DENIED, "ROLE_NOT_ALLOWED", SERVICE),
    "groups": Kind("Document groups from anybody but an adapter", 403, _DENIED, "GROUPS_NOT_VOUCHED", SERVICE),
    "assign": Kind("Assigning to somebody else, as an agent", 403, _DENIED, "ASSIGNMENT_NOT_ALLOWED", SERVICE),
    "origin": Kind("A cookie's write from another site", 403, None, "ORIGIN_NOT_ALLOWED", EDGE, _DENIED),
    # What is asked for.
    "session": Kind("An unknown session", 404, _NOT_FOUND, "SESSION_NOT_FOUND", SERVICE),
    "message": Kind("An unknown message", 404, _NOT_FOUND, "MESSAGE_NOT_FOUND", SERVICE),
    "ticket": Kind("An unknown ticket", 404, _NOT_FOUND, "TICKET_NOT_FOUND", SERVICE),
    "attachment": Kind("An unknown attachment", 404, _NOT_FOUND, "ATTACHMENT_NOT_FOUND", SERVICE),
    "document": Kind("An unknown document", 404, _NOT_FOUND, "DOCUMENT_NOT_FOUND", SERVICE),
    "case": Kind("An unknown case", 404, _NOT_FOUND, "CASE_NOT_FOUND", SERVICE),
    "base": Kind("An unknown knowledge base", 404, _NOT_FOUND, "KNOWLEDGE_BASE_NOT_FOUND", SERVICE),
    "base_exists": Kind("A knowledge base that is there", 409, _EXISTS, "KNOWLEDGE_BASE_EXISTS", SERVICE),
    "reused": Kind("A request id again, with another body", 409, _EXISTS, "REQUEST_ID_REUSED", SERVICE),
    "second_ticket": Kind("A second ticket for a conversation", 409, _EXISTS, "TICKET_ALREADY_OPEN", SERVICE),
    "etag": Kind("A change of what has changed meanwhile", 409, code_pb2.ABORTED, "ETAG_MISMATCH", SERVICE),
    "rateable": Kind("A rating of one's own message", 400, _PRECONDITION, "MESSAGE_NOT_RATEABLE", SERVICE),
}


def as_markdown(tried_over_rest: Iterable[str], tried_over_grpc: Iterable[str]) -> str:
    """The table of docs/security.md: each kind with its answers and how often it is tried each way."""
    rest, grpc = list(tried_over_rest), list(tried_over_grpc)
    lines = [
        "| what is sent | HTTP | gRPC | reason | refused by | tried (REST, gRPC) |",
        "|---|---|---|---|---|---|",
    ]
    for key, kind in KINDS.items():
        code = code_name(kind.code) if kind.code is not None else "–"
        tried = f"{rest.count(key)}, {grpc.count(key)}"
        cells = [kind.what, str(kind.http or "–"), code, kind.reason, kind.by, tried]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
