"""Logging and error handling around code that knows nothing of either.

The edges do this for HTTP and gRPC (`service.handlers`, `rpc.serving`). `logged` does it for whatever else is
called: a handler of a queue, a job, a function with business rules. It is put on where the parts are wired
together, so the rules stay plain.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Internal, ServiceError
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.reporting import report_unexpected

__all__ = ["level_of", "logged"]

P = ParamSpec("P")
R = TypeVar("R")

_log = get_logger(__name__)


def level_of(error: ServiceError) -> int:
    """How loudly to log a known error: ERROR for a fault of ours or of what we need, INFO for a caller's."""
    return logging.ERROR if error.status >= 500 else logging.INFO


def logged(
    call: str, *, fields: tuple[str, ...] = (), clock: Clock = SYSTEM_CLOCK
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function or coroutine: its start is logged as DEBUG, its end with duration and outcome.

    `fields` names the arguments that may be seen in the log; others may be secret. A `ServiceError` passes
    as it is. Anything else is reported (see `reporting`) and becomes `Internal`, so that the caller meets
    known errors only and nobody further out reports it again.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        def seen(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
            given = signature.bind(*args, **kwargs).arguments
            return {name: given[name] for name in fields if name in given}

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def waiting(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - the function's
                with _watched(call, seen(*args, **kwargs), clock):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", waiting)

        @functools.wraps(function)
        def calling(*args: P.args, **kwargs: P.kwargs) -> R:
            with _watched(call, seen(*args, **kwargs), clock):
                return function(*args, **kwargs)

        return calling

    return decorate


@contextmanager
def _watched(call: str, fields: dict[str, Any], clock: Clock) -> Iterator[None]:
    started = clock.monotonic()
    level, told = logging.INFO, {"outcome": "cancelled"}
    _log.debug("call started", call=call, **fields)
    try:
        yield
        told = {"outcome": "done"}
    except ServiceError as error:
        level, told = level_of(error), _told(error)
        raise
    except Exception as error:
        report = report_unexpected(error, call=call, **fields)
        level, told = logging.ERROR, {"outcome": "failed", "fingerprint": report.fingerprint}
        raise Internal(str(error)) from error
    finally:
        latency_ms = round((clock.monotonic() - started) * 1000, 2)
        _log.log(level, "call ended", call=call, latency_ms=latency_ms, **told, **fields)


def _told(error: ServiceError) -> dict[str, Any]:
    outcome = "failed" if error.status >= 500 else "refused"
    return {"outcome": outcome, "code": error.code, "cause": error.message}
