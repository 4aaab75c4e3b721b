"""Which errors are the caller's own: they say nothing about the health of the callee."""

import sys
from typing import Final

from workbook_lib.kit.errors import ServiceError

__all__ = ["callers_own"]

# Of the 4xx these two do speak of the callee: it was too slow to read the request, or has too much to do.
_OF_THE_CALLEE: Final = {408, 429}

_OWN_IN_RPC: Final = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
}


def callers_own(error: Exception) -> bool:
    """Whether the callee works and the request was wrong: a 4xx but 408 and 429, or gRPC's likes of it.

    Knows the kit's errors and those that httpx2 (`raise_for_status`) and grpc.aio raise themselves.
    """
    if isinstance(error, ServiceError):
        return _is_own(error.status)
    # Looked up, not imported: an error of a library that nobody has imported can't have come.
    httpx2, grpc = sys.modules.get("httpx2"), sys.modules.get("grpc")
    if httpx2 is not None and isinstance(error, httpx2.HTTPStatusError):
        return _is_own(error.response.status_code)
    if grpc is not None and isinstance(error, grpc.aio.AioRpcError):
        return error.code().name in _OWN_IN_RPC
    return False


def _is_own(status: int) -> bool:
    return 400 <= status < 500 and status not in _OF_THE_CALLEE
