"""What a client puts on its way with every call, whichever of the four kinds it is."""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import grpc

__all__ = ["STREAMS", "changing", "sending"]

Details = grpc.aio.ClientCallDetails
Change = Callable[[Details], Details]


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, change: Change) -> None:
        self._change = change

    async def intercept_unary_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: Details,
        request: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        return await continuation(self._change(client_call_details), request)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, change: Change) -> None:
        self._change = change

    async def intercept_unary_stream(
        self,
        continuation: Callable[..., Any],
        client_call_details: Details,
        request: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        return await continuation(self._change(client_call_details), request)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    def __init__(self, change: Change) -> None:
        self._change = change

    async def intercept_stream_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: Details,
        request_iterator: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        return await continuation(self._change(client_call_details), request_iterator)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    def __init__(self, change: Change) -> None:
        self._change = change

    async def intercept_stream_stream(
        self,
        continuation: Callable[..., Any],
        client_call_details: Details,
        request_iterator: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        return await continuation(self._change(client_call_details), request_iterator)


STREAMS: Final = (_UnaryStream, _StreamUnary, _StreamStream)
_ALL: Final = (_UnaryUnary, *STREAMS)


def changing(
    change: Change, kinds: Collection[Callable[[Change], grpc.aio.ClientInterceptor]] = _ALL
) -> list[grpc.aio.ClientInterceptor]:
    """Interceptors that put `change(details)` in place of each call's details.

    One a kind, because grpc.aio files an interceptor under the first kind that it finds it to be.
    """
    return [kind(change) for kind in kinds]


def sending(metadata: Callable[[], Iterable[tuple[str, str]]]) -> list[grpc.aio.ClientInterceptor]:
    """Interceptors that add metadata to each call, asked for anew each time; what a call brings itself stays.

    Names are in lower case, as gRPC demands.
    """

    def change(details: Details) -> Details:
        own = list(details.metadata or ())
        named = {name for name, _ in own}
        added = [(name, value) for name, value in metadata() if name not in named]
        metadata_sent = grpc.aio.Metadata(*own, *added)
        return Details(
            details.method, details.timeout, metadata_sent, details.credentials, details.wait_for_ready
        )

    return changing(change)
