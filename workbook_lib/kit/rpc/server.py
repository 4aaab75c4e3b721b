"""The server side: one grpc.aio server as a resource of a service."""

import contextlib
import errno
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.instrumentation.grpc import aio_server_interceptor

from workbook_lib.kit import telemetry
from workbook_lib.kit.rpc.interception import CleanEnds
from workbook_lib.kit.rpc.propagation import CombinedHeaders
from workbook_lib.kit.rpc.serving import UniformErrors

__all__ = ["RpcServer"]

S = TypeVar("S")

_SERVING = health_pb2.HealthCheckResponse.SERVING


class RpcServer:
    """Serves RPCs with the gRPC health protocol, reflection, a span and a log line a call, uniform errors.

    Handlers are coroutines or, for streams, async generators. `interceptors` are inside of all that: what one
    raises is answered like a handler's error. Port 0 takes a free port; `port` tells which.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        stop_grace_seconds: float = 4.0,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        self.host = host
        self.port = port
        self._stop_grace_seconds = stop_grace_seconds
        self._interceptors = tuple(interceptors)
        self._services: list[tuple[Callable[[Any, grpc.aio.Server], None], object, str]] = []
        self._health = _Health()
        self._server: grpc.aio.Server | None = None

    def add(self, add_to_server: Callable[[S, grpc.aio.Server], None], servicer: S, full_name: str) -> None:
        """Serve `servicer` from the start on; `full_name` is the proto's: package and service."""
        self._services.append((add_to_server, servicer, full_name))

    async def start(self) -> None:
        """Listen, and report every service as SERVING; raises OSError when the port is taken."""
        if self._server is not None:
            return
        tracing = aio_server_interceptor(telemetry.provider(), _not_grpcs_own)  # type: ignore[no-untyped-call]
        interceptors = [CleanEnds(), CombinedHeaders(), tracing, UniformErrors(), *self._interceptors]
        # Without this option a second server would share the port in silence and take half the calls.
        server = grpc.aio.server(interceptors=interceptors, options=[("grpc.so_reuseport", 0)])
        for add_to_server, servicer, _ in self._services:
            add_to_server(servicer, server)
        self._health = _Health()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)  # type: ignore[no-untyped-call]
        names = [name for _, _, name in self._services]
        names_shown = [*names, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names_shown, server)  # type: ignore[no-untyped-call]
        host = f"[{self.host}]" if ":" in self.host else self.host
        try:
            self.port = server.add_insecure_port(f"{host}:{self.port}")
        except RuntimeError as error:
            raise OSError(errno.EADDRINUSE, f"gRPC can't listen on {host}:{self.port}") from error
        await server.start()
        for name in names:
            await self._health.set(name, _SERVING)
        self._server = server

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Report NOT_SERVING, refuse new calls, and let those under way finish for at most the grace."""
        server, self._server = self._server, None
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        await server.stop(self._stop_grace_seconds if grace_seconds is None else grace_seconds)


def _not_grpcs_own(details: grpc.HandlerCallDetails) -> bool:
    return not details.method.startswith("/grpc.")


class _Health(health.aio.HealthServicer):  # type: ignore[name-defined, misc]  # exported, untyped
    """gRPC's health service. Its watches end once they have told of a drain, which they'd hold up."""

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: ANN401, N802
        with contextlib.suppress(_Drained):
            await super().Watch(request, _Watcher(context))


class _Drained(Exception):
    pass


class _Watcher:
    def __init__(self, context: Any) -> None:  # noqa: ANN401
        self._context = context

    async def write(self, response: Any) -> None:  # noqa: ANN401
        await self._context.write(response)
        if response.status == health_pb2.HealthCheckResponse.NOT_SERVING:
            raise _Drained
