"""The kit's errors as gRPC statuses and back.

The pairs are those of google.rpc.Code and HTTP. The error's own code and its details travel beside the
status, in the trailing metadata, so that the caller gets the very error that was raised: in gRPC's standard
form (see `details`), and the code also as the plain text `error-code` for people with a command line.
"""

from contextvars import ContextVar
from typing import Final

import grpc
from google.rpc.status_pb2 import Status

from workbook_lib.kit.errors import ServiceError, from_body
from workbook_lib.kit.rpc.details import DETAILS, Told, pack, unpack

__all__ = ["ERROR_CODE", "call_deadline", "error_of", "metadata_of", "status_message", "status_of"]

ERROR_CODE: Final = "error-code"

call_deadline: ContextVar[float | None] = ContextVar("call_deadline", default=None)
"""Monotonic seconds at which the caller of the RPC being served gives up; calls made for it end by then."""

_STATUS_BY_HTTP: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,
    409: grpc.StatusCode.ALREADY_EXISTS,
    412: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.OUT_OF_RANGE,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    502: grpc.StatusCode.UNKNOWN,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_HTTP_BY_STATUS: Final = {status: http for http, status in _STATUS_BY_HTTP.items()} | {
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.CANCELLED: 503,
}


def status_of(error: ServiceError) -> grpc.StatusCode:
    """The gRPC status that says best what `error` says."""
    return _STATUS_BY_HTTP.get(error.status, grpc.StatusCode.INTERNAL)


def metadata_of(error: ServiceError, message: str) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata that go with the status; `message` is what the caller reads."""
    number: int = status_of(error).value[0]
    return (ERROR_CODE, str(error.code)), (DETAILS, pack(error, number, message))


def status_message(error: ServiceError) -> Status:
    """The error as a part of an answer: what became of one item, where others went well."""
    number: int = status_of(error).value[0]
    return Status.FromString(pack(error, number, error.public_message or error.message))


def error_of(failure: grpc.aio.AioRpcError, target: str) -> ServiceError:
    """The typed error behind a failed call to `target`, an instance's host:port."""
    metadata = dict(failure.trailing_metadata() or ())
    packed, plain = metadata.get(DETAILS, b""), str(metadata.get(ERROR_CODE, ""))
    told = unpack(packed) if isinstance(packed, bytes) else Told()
    code = told.code or (int(plain) if plain.isdecimal() else None)
    if code is None:  # from gRPC itself, or from a server that isn't ours
        http = _HTTP_BY_STATUS.get(failure.code(), 502)
        return from_body(
            http, {"message": f"{target}: {failure.code().name} {failure.details() or ''}".rstrip()}
        )
    body = {"code": code, "message": failure.details(), "details": told.details}
    error = from_body(code // 100, body)
    if told.headers is not None:
        error.headers = told.headers
    return error
