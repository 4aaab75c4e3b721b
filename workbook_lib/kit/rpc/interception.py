"""What surrounds handlers: one interceptor for all four kinds of method.

gRPC has an interface a kind (one question or a stream of them, one answer or a stream); what a service wants
around its handlers is mostly the same for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

__all__ = ["Call", "CallInterceptor"]

if TYPE_CHECKING:  # generic in the type stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]
    Behavior = Callable[[Any, Context], Any]


@dataclass
class Call:
    """A call that is being served, and how many messages have come and gone so far."""

    method: str
    context: Context
    is_stream: bool
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
        takes = "stream" if handler.request_streaming else "unary"
        gives = "stream" if handler.response_streaming else "unary"
        behavior = getattr(handler, f"{takes}_{gives}")
        is_stream = "stream" in (takes, gives)

        def begun(request: Any, context: Context) -> tuple[Call, Any]:  # noqa: ANN401 - a message, or many
            call = Call(method, context, is_stream)
            if handler.request_streaming:
                return call, _counted(call, request)
            call.received = 1
            return call, request

        wrap = self._streaming if handler.response_streaming else self._answering
        make_handler = getattr(grpc, f"{takes}_{gives}_rpc_method_handler")
        wrapped: Handler = make_handler(
            wrap(begun, behavior), handler.request_deserializer, handler.response_serializer
        )
        return wrapped

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
            # Closed here, and not when the collector finds it: a cancelled call's handler ends at once.
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
