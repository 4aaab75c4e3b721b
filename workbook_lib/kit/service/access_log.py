"""One log line a request: who asked for what, what came of it and how long it took."""

from structlog.typing import FilteringBoundLogger

from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service.requests import OPERATIONAL_PATHS, Answered

__all__ = ["AccessLog"]


class AccessLog:
    """Observer that logs every request but machines' looks at /health and /metrics."""

    def __init__(self) -> None:
        self._log: FilteringBoundLogger | None = None

    def observe(self, answered: Answered) -> None:
        """Log one answered request."""
        scope = answered.scope
        if scope["path"] in OPERATIONAL_PATHS:
            return
        if self._log is None:
            self._log = get_logger(
                "access"
            ).bind()  # bound once: looking up the configuration costs a quarter
        client = scope.get("client")
        self._log.info(
            "request",
            client=client[0] if client else "",
            method=scope["method"],
            path=scope["path"],
            status=answered.status,
            latency_ms=round(answered.seconds * 1000, 2),
        )
