"""Logs as JSON lines on standard output, each with time, level, event, service, instance and trace_id."""

import logging
import sys

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK

__all__ = ["configure", "get_logger"]


def configure(service: str, instance: str, level: str = "INFO", environment: str = "prod") -> None:
    """Send the kit's logs and the standard library's through one formatter to standard output.

    `level` is a name of the standard library's. In `environment` "dev" lines on a terminal are coloured for
    people; everywhere else, in a log file too, they are JSON.
    """
    render = _for_people() if environment == "dev" and sys.stdout.isatty() else _for_machines()
    structlog.configure(
        processors=[_frame(service, instance), *render],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=_Output,
    )
    root = logging.getLogger()
    root.handlers[:] = [_FromStandardLibrary()]
    root.setLevel(level.upper())
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line a call, where a span tells more


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines name the part of the program they come from; good before `configure` too."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


class _Output:
    """structlog's end: one line at a time to whatever standard output is then."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    debug = info = warning = error = critical = exception = msg


class _FromStandardLibrary(logging.Handler):
    """Passes the records of other libraries on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)  # some invent their own
        try:
            get_logger(record.name).log(level, record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - a log line must not fail what it tells of
            self.handleError(record)


def _frame(service: str, instance: str) -> Processor:
    """Puts what every line has around what it says. One step, because each costs the access log time."""

    def frame(logger: _Output, method: str, event: EventDict) -> EventDict:
        return {
            "time": SYSTEM_CLOCK.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": "error" if method == "exception" else method,
            "event": event.pop("event"),
            "service": service,
            "instance": instance,
            "logger": logger.name,
            "trace_id": telemetry.current_trace_id(),
            **event,
        }

    return frame


def _for_machines() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]


def _for_people() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(timestamp_key="time")]


def _json(event: EventDict, **_: object) -> str:
    # A third of the standard library's time, which counts in the access log.
    return to_json(event, fallback=str).decode()
