"""What surrounds handlers: one interceptor for all four kinds of method.

gRPC has an interface a kind (one question or a stream of them, one answer or a stream); what a service wants
around its handlers is mostly the same for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

__all__ = ["Call", "CallInterceptor", "CleanEnds"]

if TYPE_CHECKING:  # generic in the type stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]
    Behavior = Callable[[Any, Context], Any]


@dataclass
class Call:
    """A call that is being served, and how many messages have come and gone so far.

    `client` and `metadata` were read when it began. Ask `context` for neither at the end: when the caller has
    left, gRPC may have freed the call, and the process would crash.
    """

    method: str
    context: Context
    is_stream: bool
    client: str
    metadata: Mapping[str, str | bytes]
    received: int = 0
    sent: int = 0


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds each handler by `around`, whichever of the four kinds it is, unless it is gRPC's own."""

    def around(self, call: Call) -> AbstractContextManager[None]:
        """The block that the handler runs in. One that suppresses an error has set the call's status."""
        raise NotImplementedError

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of one call."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith("/grpc."):  # health, reflection
            return handler
        kind = _kind(handler)
        is_stream = handler.request_streaming or handler.response_streaming

        def begun(request: Any, context: Context) -> tuple[Call, Any]:  # noqa: ANN401 - a message, or many
            metadata = dict(context.invocation_metadata() or ())
            call = Call(method, context, is_stream, context.peer(), metadata)
            if handler.request_streaming:
                return call, _counted(call, request)
            call.received = 1
            return call, request

        wrap = self._streaming if handler.response_streaming else self._answering
        return _same(handler, kind, wrap(begun, getattr(handler, kind)))

    def _answering(self, begun: Callable[[Any, Context], tuple[Call, Any]], behavior: Behavior) -> Behavior:
        async def handle(request: object, context: Context) -> object:
            call, taken = begun(request, context)
            with self.around(call):
                answer: object = await behavior(taken, context)
                call.sent = 1
                return answer
            return None  # never sent: the status isn't OK

        return handle

    def _streaming(self, begun: Callable[[Any, Context], tuple[Call, Any]], behavior: Behavior) -> Behavior:
        async def handle(request: object, context: Context) -> AsyncIterator[object]:
            call, taken = begun(request, context)
            with self.around(call):
                async with aclosing(behavior(taken, context)) as answers:
                    async for answer in answers:
                        yield answer
                        call.sent += 1

        return handle


async def _counted(call: Call, requests: AsyncIterator[object]) -> AsyncIterator[object]:
    async for request in requests:
        call.received += 1
        yield request


class CleanEnds(grpc.aio.ServerInterceptor):
    """Ends each call as gRPC wants it. Must be the outermost: two habits of grpc.aio, made good here.

    It drops an async generator whose call is cancelled. That would end when the collector finds it, in
    another task, without the context that it began in (OpenTelemetry then logs an error), and with a call
    that has been freed. A coroutine that writes is cancelled where it waits, and closes the generator there.

    And it sends an empty answer before the status of a single answer that failed. For a client the answer has
    begun then, so it never tries again. `abort` sends the status alone; here it is outside of the span.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of one call, unless it is gRPC's own."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith("/grpc."):
            return handler
        kind = _kind(handler)
        wrap = _writing if handler.response_streaming else _aborting
        return _same(handler, kind, wrap(getattr(handler, kind)))


def _writing(behavior: Behavior) -> Behavior:
    async def write_all(request: object, context: Context) -> None:
        async with aclosing(behavior(request, context)) as answers:
            async for answer in answers:
                await context.write(answer)

    return write_all


def _aborting(behavior: Behavior) -> Behavior:
    async def answer_or_abort(request: object, context: Context) -> object:
        answer: object = await behavior(request, context)
        if context.code():  # 0 is OK, None not set
            await context.abort(context.code(), context.details(), context.trailing_metadata() or ())
        return answer

    return answer_or_abort


def _kind(handler: Handler) -> str:
    takes = "stream" if handler.request_streaming else "unary"
    return f"{takes}_stream" if handler.response_streaming else f"{takes}_unary"


def _same(handler: Handler, kind: str, behavior: Behavior) -> Handler:
    """The handler, with another behavior."""
    make_handler = getattr(grpc, f"{kind}_rpc_method_handler")
    same: Handler = make_handler(behavior, handler.request_deserializer, handler.response_serializer)
    return same
