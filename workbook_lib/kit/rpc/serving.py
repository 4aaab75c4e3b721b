"""What surrounds every handler of the kit's gRPC server: deadline, uniform errors, a line in the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from workbook_lib.kit import telemetry
from workbook_lib.kit.boundary import level_of
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.errors import Internal, ServiceError, error_body
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.reporting import report_unexpected
from workbook_lib.kit.rpc.interception import Call, CallInterceptor
from workbook_lib.kit.rpc.request_ids import current_request_id
from workbook_lib.kit.rpc.status import call_deadline, metadata_of, status_of

__all__ = ["UniformErrors"]

_log = get_logger(__name__)
_access_log = get_logger("access")
_ATTEMPTS_BEFORE = "grpc-previous-rpc-attempts"

if TYPE_CHECKING:  # generic in the type stubs only
    Context = grpc.aio.ServicerContext[Any, Any]


class UniformErrors(CallInterceptor):
    """Answers a `ServiceError` with its status and code, and anything else with INTERNAL and a safe message.

    What is unexpected is logged with its traceback. Every call leaves a line in the access log: a stream's
    tells how many messages were received and sent, a retry's which attempt it was.
    """

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Set the deadline, turn errors into statuses, and write the line."""
        started = time.perf_counter()
        outcome = "CANCELLED"
        remaining_seconds: float | None = call.context.time_remaining()
        if remaining_seconds is not None:
            call_deadline.set(SYSTEM_CLOCK.monotonic() + remaining_seconds)
        try:
            yield
            failpoint(
                f"rpc.{call.method.rpartition('/')[2]}.handled"
            )  # the effect is there, the answer isn't
            outcome = "OK"
        except ServiceError as error:
            if error.public_message is not None:
                _log.log(
                    level_of(error),
                    "call failed",
                    error=type(error).__name__,
                    code=error.code,
                    cause=error.message,
                )
            outcome = _refuse(call.context, error)
        except grpc.aio.AbortError:
            outcome = "ABORTED BY HANDLER"
            raise
        except Exception as error:  # noqa: BLE001 - the caller gets an answer, whatever it was
            report_unexpected(error, method=call.method)
            outcome = _refuse(call.context, Internal(str(error)))
        finally:
            _write_line(call, outcome, round((time.perf_counter() - started) * 1000, 2))


def _write_line(call: Call, outcome: str, latency_ms: float) -> None:
    more: dict[str, object] = {}
    if call.is_stream:
        more |= {"received": call.received, "sent": call.sent}
    if (before := call.metadata.get(_ATTEMPTS_BEFORE)) is not None:
        more["attempt"] = int(before) + 1
    if (request_id := current_request_id()) is not None:
        more["request_id"] = request_id
    _access_log.info(
        "rpc",
        client=call.client,
        method=call.method,
        status=outcome,
        latency_ms=latency_ms,
        **more,
    )


def _refuse(context: Context, error: ServiceError) -> str:
    # Not context.abort: it ends in an exception, which tracing would then report as one more error.
    status = status_of(error)
    message = error_body(error, telemetry.current_trace_id(), SYSTEM_CLOCK).message
    context.set_trailing_metadata((*(context.trailing_metadata() or ()), *metadata_of(error, message)))
    context.set_details(message)
    context.set_code(status)
    return status.name
