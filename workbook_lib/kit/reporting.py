"""Unexpected errors, each told once: a line that can be grouped, a mark in the span, a count, and listeners.

An error with a meaning (`errors.ServiceError`) is answered with its code and is no business of this module.
"""

import contextlib
import hashlib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from prometheus_client import Counter

from workbook_lib.kit import telemetry
from workbook_lib.kit.logs import get_logger

__all__ = ["UNEXPECTED_ERRORS", "ErrorReport", "fingerprint", "listening", "report_unexpected"]

UNEXPECTED_ERRORS = Counter(
    "service_unexpected_errors_total", "Errors that nobody had foreseen.", ("kind",), registry=None
)
"""Of the whole process; every service offers it at /metrics."""

_FINGERPRINT_DIGITS = 12

_log = get_logger(__name__)
_listeners: list[Callable[["ErrorReport"], None]] = []


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What is told of an unexpected error. It holds no words of the error: those may be a user's."""

    kind: str
    fingerprint: str
    trace_id: str


def fingerprint(error: BaseException) -> str:
    """Twelve hex digits that are the same wherever the same thing fails, whatever it failed on.

    Made of the error's type and of the functions it came through: words and line numbers change with each
    user and each release.
    """
    frames = traceback.extract_tb(error.__traceback__)
    path = [f"{frame.filename.rpartition('/')[2]}:{frame.name}" for frame in frames]
    return hashlib.sha256("|".join([type(error).__qualname__, *path]).encode()).hexdigest()[
        :_FINGERPRINT_DIGITS
    ]


def report_unexpected(error: BaseException, **where: Any) -> ErrorReport:  # noqa: ANN401 - goes into the log
    """Log the error as ERROR with its traceback, mark the current span, count it, tell the listeners.

    `where` names what was being done, such as a path or a queue. Raises nothing.
    """
    report = ErrorReport(type(error).__name__, fingerprint(error), telemetry.current_trace_id())
    _log.error("unexpected error", kind=report.kind, fingerprint=report.fingerprint, **where, exc_info=error)
    trace.get_current_span().record_exception(error)
    UNEXPECTED_ERRORS.labels(report.kind).inc()
    for listener in tuple(_listeners):
        try:
            listener(report)
        except Exception:  # noqa: BLE001 - reporting an error must not be one
            _log.exception("listener failed", listener=repr(listener))
    return report


@contextlib.contextmanager
def listening(listener: Callable[[ErrorReport], None]) -> Iterator[None]:
    """Call `listener` with each report while open: where a service such as Sentry is connected."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
