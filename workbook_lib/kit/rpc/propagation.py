"""A call's trace context when its metadata names a header twice.

OpenTelemetry's interceptor makes a dictionary of the metadata, and so would lose the first part of a list. Of
two `traceparent` gRPC's own core keeps the last, before anybody sees them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc

from workbook_lib.kit.trace_context import PROPAGATION_HEADERS, combined

__all__ = ["CombinedHeaders"]

if TYPE_CHECKING:  # generic in the type stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]


class CombinedHeaders(grpc.aio.ServerInterceptor):
    """Has everybody inside of it see each propagation header once; see `trace_context.combined`.

    Must be directly inside of `CleanEnds`, which awaits what a handler returns.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of a call that names one twice; leave others alone."""
        handler = await continuation(handler_call_details)
        metadata = handler_call_details.invocation_metadata or ()
        names = [name for name, _ in metadata if name in PROPAGATION_HEADERS]
        if handler is None or len(names) == len(set(names)):
            return handler
        takes = "stream" if handler.request_streaming else "unary"
        kind = f"{takes}_{'stream' if handler.response_streaming else 'unary'}"
        behavior = getattr(handler, kind)

        def in_context(request: object, context: Context) -> object:
            return behavior(request, _Combined(context))

        make_handler = getattr(grpc, f"{kind}_rpc_method_handler")
        same: Handler = make_handler(in_context, handler.request_deserializer, handler.response_serializer)
        return same


class _Metadatum(NamedTuple):
    key: str
    value: str | bytes


class _Combined:
    """A call's context, its propagation headers combined."""

    def __init__(self, context: Context) -> None:
        self._context = context
        metadata = [_Metadatum(*entry) for entry in context.invocation_metadata() or ()]
        carried = combined((key, value) for key, value in metadata if isinstance(value, str))
        others = [each for each in metadata if each.key not in PROPAGATION_HEADERS]
        self._metadata = (*others, *(_Metadatum(*header) for header in carried.items()))

    def invocation_metadata(self) -> tuple[_Metadatum, ...]:
        return self._metadata

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as gRPC's own has it
        return getattr(self._context, name)
