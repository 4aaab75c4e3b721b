"""The service factory: settings and resources in, a FastAPI app with the whole edge out."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Self

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from workbook_lib.kit.service.access_log import AccessLog
from workbook_lib.kit.service.body_limit import BodyLimit
from workbook_lib.kit.service.handlers import UnexpectedErrors, add_error_handlers
from workbook_lib.kit.service.health import Health, HealthEndpoint
from workbook_lib.kit.service.metrics import Metrics
from workbook_lib.kit.service.openapi import DescribedApp
from workbook_lib.kit.service.requests import RequestWatch
from workbook_lib.kit.service.resources import Resource, Resources, Worker
from workbook_lib.kit.service.routes import RouteTemplates
from workbook_lib.kit.service.tracing import ServerSpan, end_server_span
from workbook_lib.kit.service.websockets import WebSocketEdge, WebSockets
from workbook_lib.kit.settings import ServiceSettings

if TYPE_CHECKING:
    from workbook_lib.kit.breaker import Breakers

__all__ = ["Service"]


class Service:
    """A service: its app, what it owns, and its lifetime.

    Routes are added to `app`. `async with service:` starts and stops everything but the port; the app's
    lifespan does the same, and `serve` puts it on the network. `version` is that of the API, for callers.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        title: str,
        version: str = "1.0.0",
        resources: Sequence[Resource] = (),
    ) -> None:
        self.settings = settings
        # A server's own stop may use up the whole grace time.
        self._resources = Resources(stop_seconds=settings.stop_grace_seconds + 1)
        # What takes in work starts after everything that the work needs, and stops before it.
        self._intake = Resources(stop_seconds=settings.stop_grace_seconds + 1)
        for resource in resources:
            self.add_resource(resource)
        self.app: FastAPI = DescribedApp(
            title=title,
            version=version,
            lifespan=self._lifespan,
            telemetry={"tracing": False, "metrics": False, "logs": False},  # the edge has its own
        )
        self.metrics = Metrics()
        self.websockets = WebSockets(self.metrics.registry)
        self._build_edge()

    def _build_edge(self) -> None:
        app = self.app
        add_error_handlers(app)
        health = HealthEndpoint(self.settings, self._resources, self._intake)
        app.add_api_route("/health", health.report, responses={503: {"model": Health}})
        app.add_api_route("/metrics", self.metrics.expose, include_in_schema=False)
        if self.settings.operator_token:
            # Imported where it is needed: the profiler is a good part of a small service's start.
            from workbook_lib.kit.security.operators import OperatorGuard
            from workbook_lib.kit.service.fault_routes import fault_routes
            from workbook_lib.kit.service.profiling import profiling_routes

            guard = OperatorGuard(self.settings.operator_token)
            app.include_router(profiling_routes(guard))
            if self.settings.environment != "prod":
                app.include_router(fault_routes(guard))
        # Innermost first: an unexpected error must have become a response before it is logged and counted.
        app.add_middleware(BodyLimit, max_body_bytes=self.settings.max_body_bytes)
        app.add_middleware(UnexpectedErrors)
        templates = RouteTemplates(app)
        app.add_middleware(WebSocketEdge, websockets=self.websockets, templates=templates)
        app.add_middleware(
            RequestWatch,
            templates=templates,
            in_flight=self.metrics.in_flight,
            observers=[AccessLog().observe, self.metrics.observe, end_server_span],
        )
        app.add_middleware(ServerSpan, trust_baggage=self.settings.trust_baggage)

    def add_middleware(self, kind: Callable[..., ASGIApp], **options: object) -> None:
        """Wrap the routes in `kind(app, **options)`, a pure ASGI middleware; the first one added runs first.

        All are inside the edge's span, access log, metrics, body limit and error answers: an error that one
        raises has the uniform body, and a route's error answer passes through them like any other.
        """
        stack = self.app.user_middleware
        innermost: object = stack[-1].cls
        if innermost is not UnexpectedErrors:
            # A second one innermost, so that a 500 too has what they add: without CORS no browser shows it.
            stack.append(Middleware(UnexpectedErrors, outermost=False))
        stack.insert(-1, Middleware(kind, **options))

    def add_resource(self, resource: Resource, name: str | None = None) -> None:
        """Own `resource`: started in the order added, stopped in reverse. `name` is how /health calls it."""
        self._resources.add(resource, name)

    def add_breakers(self, breakers: "Breakers") -> None:
        """Show `breakers` in /metrics and, to operators, under /debug/breakers. Once a service."""
        from workbook_lib.kit.breaker import BreakerMetrics  # which knows clients that few services have

        self.metrics.registry.register(BreakerMetrics(breakers))
        if self.settings.operator_token:
            from workbook_lib.kit.security.operators import OperatorGuard
            from workbook_lib.kit.service.breaker_routes import breaker_routes

            self.app.include_router(breaker_routes(OperatorGuard(self.settings.operator_token), breakers))

    def add_rpc(self, server: Resource) -> None:
        """Serve gRPC beside HTTP, from when all resources are started."""
        self._intake.add(server, "rpc")

    def add_worker(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a coroutine as long as the service, from when all resources are started; cancelled at stop.

        If it ends by itself, that is logged as an error and /health answers 503.
        """
        self._intake.add(Worker(name, run), f"worker {name}")

    async def start(self) -> None:
        """Start resources, then gRPC and workers; whatever was started is stopped when one fails."""
        await self._resources.start()
        try:
            await self._intake.start()
        except BaseException:
            await self._resources.stop()
            raise

    async def stop(self) -> None:
        """Stop workers and gRPC, then resources; harmless when repeated."""
        await self._intake.stop()
        await self._resources.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with self:
            yield
