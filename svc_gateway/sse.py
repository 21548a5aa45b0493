"""Server-Sent Events frames (WHATWG HTML, section 9.2)."""

from google.api import httpbody_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

CONTENT_TYPE = "text/event-stream; charset=utf-8"
HEARTBEAT = b": alive\n\n"


def to_json(message: Message) -> str:
    """One line of JSON as the REST surface prints it."""
    text: str = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=None
    )
    return text


def frame(event: str, message: Message, *, event_id: str = "") -> bytes:
    """One event. JSON has no raw line break, so the data is one line whatever a customer wrote."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event}\ndata: {to_json(message)}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """How long a reader waits before it connects again."""
    return f"retry: {milliseconds}\n\n".encode()


def body(data: bytes) -> httpbody_pb2.HttpBody:
    """A piece of the stream as the edge passes it on."""
    return httpbody_pb2.HttpBody(content_type=CONTENT_TYPE, data=data)
