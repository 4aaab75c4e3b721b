"""Which errors are the caller's own: they say nothing about the health of the callee."""

from typing import Final

import grpc
import httpx2

from workbook_lib.kit.errors import ServiceError

__all__ = ["callers_own"]

# Of the 4xx these two do speak of the callee: it was too slow to read the request, or has too much to do.
_OF_THE_CALLEE: Final = {408, 429}

_OWN_IN_RPC: Final = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
}


def callers_own(error: Exception) -> bool:
    """Whether the callee works and the request was wrong: a 4xx but 408 and 429, or gRPC's likes of it.

    Knows the kit's errors and those that httpx2 (`raise_for_status`) and grpc.aio raise themselves.
    """
    match error:
        case ServiceError(status=status):
            return _is_own(status)
        case httpx2.HTTPStatusError():
            return _is_own(error.response.status_code)
        case grpc.aio.AioRpcError():
            return error.code() in _OWN_IN_RPC
    return False


def _is_own(status: int) -> bool:
    return 400 <= status < 500 and status not in _OF_THE_CALLEE
