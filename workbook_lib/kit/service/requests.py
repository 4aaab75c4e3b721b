"""Watches each request once, for all who want to know what came of it: the access log, the metrics."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from prometheus_client import Gauge
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CLIENT_CLOSED_REQUEST", "OPERATIONAL_PATHS", "Answered", "Observer", "RequestWatch"]

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a caller that left, or was cut off, before its answer began."""
OPERATIONAL_PATHS = frozenset({"/health", "/metrics"})
"""Asked for by machines every few seconds; neither traced nor logged."""


class Answered(NamedTuple):
    """One request and what came of it; its span is still current when observers hear of it."""

    scope: Scope
    status: int
    seconds: float


Observer = Callable[[Answered], None]


class RequestWatch:
    """ASGI middleware that tells `observers` of each HTTP request once its answer has been handed over."""

    def __init__(self, app: ASGIApp, in_flight: Gauge, observers: Sequence[Observer]) -> None:
        self._app = app
        self._in_flight = in_flight
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, then tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._in_flight.inc()
        try:
            await self._app(scope, receive, watched_send)
        finally:
            self._in_flight.dec()
            answered = Answered(scope, status, time.perf_counter() - started)
            for observe in self._observers:
                observe(answered)
