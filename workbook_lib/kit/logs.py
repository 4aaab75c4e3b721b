"""Logs as JSON lines on standard output, each with time, level, event, service, instance and trace_id.

A line that is written on behalf of a tenant names it too.

What the levels mean here:

    ERROR    a fault of the service, or something that it depends on failed: somebody should look
    WARNING  a risk: it was tried again, put aside, cut short
    INFO     a step that matters, such as a request answered
    DEBUG    for whoever develops the service; not logged in production
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, Literal

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.tenant import current_tenant

__all__ = ["configure", "get_logger"]

Frame = Callable[[Any, str, EventDict], EventDict]


def configure(
    service: str,
    instance: str,
    level: str = "INFO",
    environment: str = "prod",
    *,
    form: Literal["auto", "console", "json"] = "auto",
) -> None:
    """Send the kit's logs and the standard library's through one formatter to standard output.

    `level` is a name of the standard library's; libraries never tell more than INFO. In the form "auto"
    lines on a terminal in `environment` "dev" are coloured for people; everywhere else, in a log file too,
    they are JSON.
    """
    terminal = environment == "dev" and sys.stdout.isatty()
    processors = _for_people if form == "console" or (form == "auto" and terminal) else _for_machines
    structlog.configure(
        processors=processors(_frame(service, instance)),
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=_Output,
    )
    root = logging.getLogger()
    root.handlers[:] = [_FromStandardLibrary()]
    root.setLevel(max(logging.getLevelNamesMapping()[level.upper()], logging.INFO))
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


def _frame(service: str, instance: str) -> Frame:
    """Puts what every line has around what it says."""

    def frame(logger: _Output, method: str, event: EventDict) -> EventDict:
        tenant = current_tenant()
        return {
            "time": SYSTEM_CLOCK.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": "error" if method == "exception" else method,
            "event": event.pop("event"),
            "service": service,
            "instance": instance,
            "logger": logger.name,
            "trace_id": telemetry.current_trace_id(),
            **({"tenant": tenant} if tenant else {}),
            **event,
        }

    return frame


def _for_machines(frame: Frame) -> list[Processor]:
    def line(logger: _Output, method: str, event: EventDict) -> str:
        # One step, because each costs the access log time; the standard library's JSON would triple it.
        framed = frame(logger, method, event)
        if "exc_info" in framed:
            framed = structlog.processors.format_exc_info(logger, method, framed)
        return to_json(framed, fallback=str).decode()

    return [line]


def _for_people(frame: Frame) -> list[Processor]:
    return [frame, structlog.dev.ConsoleRenderer(timestamp_key="time", colors=sys.stdout.isatty())]
