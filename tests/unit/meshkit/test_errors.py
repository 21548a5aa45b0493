from datetime import UTC, datetime

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from groundline.options.v1 import error_reason_pb2
from meshkit import errors
from meshkit.errors import DomainError, FieldViolation, RemoteError, from_rpc_error, to_status

# What only the edge says, before any service is asked.
BY_THE_EDGE = {"METHOD_NOT_FOUND", "ORIGIN_NOT_ALLOWED"}


def subclasses() -> list[type[DomainError]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, DomainError) and each is not DomainError
    ]


def test_every_reason_of_the_mesh_has_one_error_with_the_code_that_its_comment_says() -> None:
    found = {each.reason_name(): each for each in subclasses()}
    names = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    declared = {name.removeprefix("ERROR_REASON_") for name in names} - {"UNSPECIFIED"}
    assert set(found) == declared - BY_THE_EDGE
    assert len(subclasses()) == len(declared - BY_THE_EDGE) == 13
    for error in found.values():
        assert code_pb2.Code.Name(error.code)
        assert error.message


def test_an_error_without_a_reason_can_not_be_written() -> None:
    with pytest.raises(TypeError, match="UNSPECIFIED"):

        class Nameless(DomainError):
            code, reason, message = 3, 0, "x"


def as_rpc_error(status: status_pb2.Status) -> grpc.aio.AioRpcError:
    code = next(each for each in grpc.StatusCode if each.value[0] == status.code)
    trailing = grpc.aio.Metadata((errors.STATUS_METADATA_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, status.message)


def test_what_is_sent_is_what_is_read() -> None:
    sent = errors.EtagMismatch(
        retry_after_s=1.25,
        violations=[FieldViolation("a.b[2]", "must be", "string.len")],
        etag="7",
        at=datetime(2026, 1, 2, tzinfo=UTC),
        absent=None,
    )
    read = from_rpc_error(as_rpc_error(to_status(sent)))
    assert (read.code, read.reason, read.text) == (10, "ETAG_MISMATCH", sent.message)
    assert read.metadata == {"etag": "7", "at": "2026-01-02T00:00:00Z"}
    assert (read.retry_after_s, read.violations) == (1.25, sent.violations)
    # Passed on, it is the same again.
    assert from_rpc_error(as_rpc_error(to_status(read))).metadata == read.metadata


def test_a_stranger_s_reason_is_not_ours() -> None:
    status = status_pb2.Status(code=9)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="TICKET_ALREADY_CLOSED", domain="example.com"))
    assert from_rpc_error(as_rpc_error(status)).reason == ""


def test_details_that_can_not_be_read_are_left_out() -> None:
    trailing = grpc.aio.Metadata((errors.STATUS_METADATA_KEY, b"\xff\xff"))
    error = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), trailing, "x")
    read = from_rpc_error(error)
    assert (read.code, read.reason) == (5, "")
    assert str(RemoteError(5, "")) == "NOT_FOUND"
