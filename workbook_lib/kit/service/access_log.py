"""One log line a request: who asked for what, what came of it and how long it took."""

from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service.requests import OPERATIONAL_PATHS, Answered

__all__ = ["log_request"]

_log = get_logger("access")


def log_request(answered: Answered) -> None:
    """Log one answered request, unless it was a machine's look at /health or /metrics."""
    scope, status, seconds = answered
    if scope["path"] in OPERATIONAL_PATHS:
        return
    client = scope.get("client")
    _log.info(
        "request",
        client=client[0] if client else "",
        method=scope["method"],
        path=scope["path"],
        status=status,
        latency_ms=round(seconds * 1000, 2),
    )
