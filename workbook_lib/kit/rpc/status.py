"""The kit's errors as gRPC statuses and back.

The pairs are those of google.rpc.Code and HTTP. The error's own code travels beside the status, in the
trailing metadata `error-code`, so that the caller gets the very error that was raised.
"""

import contextlib
from contextvars import ContextVar
from typing import Final

import grpc

from workbook_lib.kit.errors import ServiceError, from_body

__all__ = ["ERROR_CODE", "call_deadline", "error_of", "status_of"]

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


def error_of(failure: grpc.aio.AioRpcError, target: str) -> ServiceError:
    """The typed error behind a failed call to `target`, an instance's host:port."""
    http = _HTTP_BY_STATUS.get(failure.code(), 502)
    code = None
    for key, value in failure.trailing_metadata() or ():
        if key == ERROR_CODE:
            with contextlib.suppress(ValueError):
                code = int(value)
    if code is None:  # from gRPC itself, or from a server that isn't ours
        return from_body(
            http, {"message": f"{target}: {failure.code().name} {failure.details() or ''}".rstrip()}
        )
    return from_body(code // 100, {"code": code, "message": failure.details()})
