"""What surrounds every handler of the kit's gRPC server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from workbook_lib.kit import telemetry
from workbook_lib.kit.boundary import level_of
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.errors import Internal, ServiceError, error_body
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.reporting import report_unexpected
from workbook_lib.kit.rpc.status import call_deadline, metadata_of, status_of

__all__ = ["UniformErrors"]

_log = get_logger(__name__)
_access_log = get_logger("access")

if TYPE_CHECKING:  # generic in the type stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]
    Behavior = Callable[[Any, Context], Any]


class UniformErrors(grpc.aio.ServerInterceptor):
    """Answers a `ServiceError` with its status and code, and anything else with INTERNAL and a safe message.

    What is unexpected is logged with its traceback. Every call leaves a line in the access log.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of one call, whichever of the four kinds it is, unless it is gRPC's own."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith("/grpc."):
            return handler
        takes = "stream" if handler.request_streaming else "unary"
        kind, wrap = (
            (f"{takes}_stream", _stream) if handler.response_streaming else (f"{takes}_unary", _unary)
        )
        make_handler = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: Handler = make_handler(
            wrap(method, getattr(handler, kind)), handler.request_deserializer, handler.response_serializer
        )
        return wrapped


def _unary(method: str, behavior: Behavior) -> Behavior:
    async def handle(request: object, context: Context) -> object:
        with _guarded(method, context):
            answer: object = await behavior(request, context)
            return answer
        return None  # never sent: the status isn't OK

    return handle


def _stream(method: str, behavior: Behavior) -> Behavior:
    async def handle(request: object, context: Context) -> AsyncIterator[object]:
        with _guarded(method, context):
            async for answer in behavior(request, context):
                yield answer

    return handle


@contextmanager
def _guarded(method: str, context: Context) -> Iterator[None]:
    started = time.perf_counter()
    outcome = "CANCELLED"
    remaining_seconds: float | None = context.time_remaining()
    if remaining_seconds is not None:
        call_deadline.set(SYSTEM_CLOCK.monotonic() + remaining_seconds)
    try:
        yield
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
        outcome = _refuse(context, error)
    except grpc.aio.AbortError:
        outcome = "ABORTED BY HANDLER"
        raise
    except Exception as error:  # noqa: BLE001 - the caller gets an answer, whatever it was
        report_unexpected(error, method=method)
        outcome = _refuse(context, Internal(str(error)))
    finally:
        latency_ms = round((time.perf_counter() - started) * 1000, 2)
        _access_log.info("rpc", client=context.peer(), method=method, status=outcome, latency_ms=latency_ms)


def _refuse(context: Context, error: ServiceError) -> str:
    # Not context.abort: it ends in an exception, which tracing would then report as one more error.
    status = status_of(error)
    message = error_body(error, telemetry.current_trace_id(), SYSTEM_CLOCK).message
    context.set_trailing_metadata(metadata_of(error, message))
    context.set_details(message)
    context.set_code(status)
    return status.name
