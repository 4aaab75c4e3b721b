"""A service as a process: ready, registered, drained on SIGTERM, its exit status telling how it went."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NoReturn, TypeVar

import uvicorn
import uvloop
from fastapi.routing import iter_route_contexts
from starlette.routing import WebSocketRoute

from workbook_lib.kit import failpoints, logs, telemetry
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.process import raise_file_limit
from workbook_lib.kit.service.app import Service
from workbook_lib.kit.service.protocol import BoundedProtocol
from workbook_lib.kit.settings import ServiceSettings, SettingsError, load

__all__ = ["main", "serve"]

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)

_BACKLOG = 2048
_CONSUL_SECONDS = 2.0
_FLUSH_SECONDS = 2.0

_log = get_logger(__name__)


async def serve(service: Service) -> None:
    """Run `service` until SIGTERM or SIGINT, then drain it.

    Draining: deregister, close WebSockets with 1001, take no more connections, finish the requests under way
    (for at most `stop_grace_seconds`), stop workers and gRPC, then resources.

    Raises OSError when the port is taken, and whatever a resource's start or the registration raises.
    """
    settings = service.settings
    with contextlib.closing(_bound_socket(settings)) as listener:
        async with service, contextlib.AsyncExitStack() as registration:
            server = _Server(
                uvicorn.Config(
                    service.app,
                    http=BoundedProtocol,
                    **_websocket_options(service),
                    lifespan="off",  # the service's lifetime is this function's
                    log_config=None,
                    access_log=False,
                    backlog=_BACKLOG,
                    proxy_headers=False,  # X-Forwarded-For alone changes nothing
                    server_header=False,
                    timeout_graceful_shutdown=max(1, round(settings.stop_grace_seconds)),
                ),
                on_ready=lambda: registration.enter_async_context(_registered(settings)),
                on_stopping=lambda: _leave(registration, service),
            )
            with _signals(server):
                await server.serve(sockets=[listener])


def _websocket_options(service: Service) -> dict[str, Any]:
    """uvicorn's options for WebSockets; a service without any route for one doesn't speak them."""
    if not any(
        isinstance(route.original_route, WebSocketRoute) for route in iter_route_contexts(service.app.routes)
    ):
        return {"ws": "none"}
    limits = service.websockets.limits
    return {
        "ws": "websockets-sansio",
        "ws_max_size": limits.max_message_bytes,
        "ws_ping_interval": limits.ping_seconds,
        "ws_ping_timeout": limits.pong_seconds,
        "ws_per_message_deflate": False,  # costs each connection memory, and a bomb is a small message
    }


async def _leave(registration: contextlib.AsyncExitStack, service: Service) -> None:
    """Nobody is sent here any more; who holds a WebSocket is told to go, since it ends only when told."""
    await registration.aclose()
    await service.websockets.stop()


class _Server(uvicorn.Server):
    """uvicorn with two moments of its own: listening, and about to stop listening."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], Awaitable[None]],
        on_stopping: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._on_ready, self._on_stopping = on_ready, on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Answering comes first: before Consul takes an instance anew it waits for the old one's check to end.
        try:
            await self._on_ready()
        except BaseException:
            await super().shutdown(sockets)
            raise

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._on_stopping()
        await super().shutdown(sockets)

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        # uvicorn's own raises the signal again after draining: the process would end by it, not with 0.
        return contextlib.nullcontext()


@contextlib.contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop(received: signal.Signals) -> None:
        _log.info("stopping", signal=received.name)
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _bound_socket(settings: ServiceSettings) -> socket.socket:
    """Taken before anything is started, so that a taken port is the first thing noticed."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise OSError(
            error.errno, f"can't listen on {settings.host}:{settings.port}: {error.strerror}"
        ) from error
    return listener


def _meta(settings: ServiceSettings) -> dict[str, str]:
    """What Consul is told of the instance besides its address."""
    known = {
        "environment": settings.environment,
        "deployment": settings.deployment,
        "version": settings.version,
        "grpc_port": settings.grpc_port,
    }
    return {name: str(value) for name, value in known.items() if value is not None}


@contextlib.asynccontextmanager
async def _registered(settings: ServiceSettings) -> AsyncIterator[None]:
    """In Consul while open; nothing at all without Consul's address."""
    if settings.consul_http_addr is None:
        yield
        return
    # Imported where it is needed: its HTTP client is a good part of a small service's start.
    from workbook_lib.kit.consul import Consul, HttpCheck, Registration, registered

    registration = Registration(
        id=settings.instance,
        service=settings.service,
        address=settings.host,
        port=settings.port,
        meta=_meta(settings),
        weight=settings.weight,
        check=HttpCheck(
            url=f"http://{settings.host}:{settings.port}/health",
            interval_seconds=settings.check_interval_seconds,
            passing_at_first=True,  # it is listening, and its resources have started
        ),
    )
    async with (
        Consul(
            settings.consul_http_addr, token=settings.consul_token, timeout_seconds=_CONSUL_SECONDS
        ) as consul,
        registered(consul, registration, interval_seconds=settings.check_interval_seconds),
    ):
        yield


def main(settings_type: type[SettingsT], build: Callable[[SettingsT], Service]) -> NoReturn:
    """The whole of a service's `__main__`: settings from `sys.argv`, logs, telemetry, build, serve.

    Ends the process: 0 after a drained stop, 1 when it couldn't start (the cause is in the log), 2 for
    settings that can't be used (one line on standard error).
    """
    try:
        settings = load(settings_type, sys.argv[1:])
    except SettingsError as error:
        sys.exit(_refused(settings_type, error))
    raise_file_limit()
    logs.configure(
        settings.service,
        settings.instance,
        settings.log_level,
        settings.environment,
        form=settings.log_format,
    )
    failpoints.arm_all(settings.failpoints or "")
    tracing = telemetry.configure(
        settings.service, settings.instance, settings.otlp_endpoint, sample_ratio=settings.trace_ratio
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(build(settings)))
    except Exception as error:  # noqa: BLE001 - whatever it was, it ends the process and its cause is logged
        _log.exception("couldn't run", cause=str(error))
        status = 1
    else:
        _log.info("stopped")
        status = 0
    if not tracing.shutdown(_FLUSH_SECONDS):
        _log.warning("spans lost", collector=settings.otlp_endpoint)
    # Looking for garbage among all that was imported would take half a second, and the process is over.
    gc.disable()
    gc.freeze()
    sys.exit(status)


def _refused(settings_type: type[ServiceSettings], error: SettingsError) -> int:
    print(f"{settings_type.model_fields['service'].get_default()}: {error}", file=sys.stderr)
    return 2
