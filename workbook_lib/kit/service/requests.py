"""Watches each request once, for all who want to know what came of it: access log, metrics, span."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbook_lib.kit.service.routes import RouteTemplates

__all__ = ["CLIENT_CLOSED_REQUEST", "OPERATIONAL_PATHS", "Answered", "InFlight", "Observer", "RequestWatch"]

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a caller that left, or was cut off, before its answer began."""
OPERATIONAL_PATHS = frozenset({"/health", "/metrics"})
"""Asked for by machines every few seconds; neither traced nor logged."""


class Answered(NamedTuple):
    """One request and what came of it. The request's span is the current one when observers hear of it."""

    scope: Scope
    route: str
    status: int
    seconds: float


Observer = Callable[[Answered], None]


class InFlight:
    """How many requests are under way; a plain number, since only the event loop's thread counts."""

    requests = 0


class RequestWatch:
    """ASGI middleware that tells `observers`, in order, of each request once its last byte was handed over.

    That may be long before the app returns: background work comes after the answer and is no part of it.
    """

    def __init__(
        self, app: ASGIApp, templates: RouteTemplates, in_flight: InFlight, observers: Sequence[Observer]
    ) -> None:
        self._app = app
        self._templates = templates
        self._in_flight = in_flight
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST
        told = False

        def tell() -> None:
            nonlocal told
            told = True
            self._in_flight.requests -= 1
            seconds = time.perf_counter() - started
            answered = Answered(scope, self._templates.template(scope), status, seconds)
            for observe in self._observers:
                observe(answered)

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                tell()

        self._in_flight.requests += 1
        try:
            await self._app(scope, receive, watched_send)
        finally:
            if not told:
                tell()
