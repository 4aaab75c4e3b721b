"""A SERVER span for each request, by the semantic conventions for HTTP, continuing the caller's trace (W3C).

FastAPI can trace by itself and OpenTelemetry has an instrumentor for it; both cost twice as much or more. See
docs/decisions/0001-pure-asgi-edge.md.
"""

from collections.abc import Iterable

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode
from opentelemetry.util.types import AttributeValue
from starlette.types import ASGIApp, Receive, Scope, Send

from workbook_lib.kit import telemetry
from workbook_lib.kit.service.requests import OPERATIONAL_PATHS, Answered
from workbook_lib.kit.service.routes import NO_ROUTE
from workbook_lib.kit.trace_context import PROPAGATION_HEADERS, combined

__all__ = ["ServerSpan", "end_server_span"]

_PROPAGATION_HEADERS = frozenset(name.encode() for name in PROPAGATION_HEADERS)


class ServerSpan:
    """ASGI middleware: what is inside it, the answering of errors too, is in the request's span.

    Baggage is left aside unless it is trusted: whoever can reach an edge could name any tenant by it.
    """

    def __init__(self, app: ASGIApp, *, trust_baggage: bool = True) -> None:
        self._app = app
        self._trust_baggage = trust_baggage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the span and pass the request on; `end_server_span` ends it with the answer."""
        if scope["type"] == "lifespan" or scope["path"] in OPERATIONAL_PATHS:
            await self._app(scope, receive, send)
            return
        carrier = _carrier(scope["headers"])
        if not self._trust_baggage:
            carrier.pop("baggage", None)
        parent = telemetry.extract(carrier) if carrier else Context()
        address, port = scope.get("server") or ("", 0)
        method = scope.get("method", "GET")  # a WebSocket's handshake
        span = telemetry.start_server_span(
            method,
            parent,
            {
                "http.request.method": method,
                "url.path": scope["path"],
                "url.scheme": scope["scheme"],
                "server.address": address,
                "server.port": port or 0,
            },
        )
        token = context.attach(trace.set_span_in_context(span, parent))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)


def end_server_span(answered: Answered) -> None:
    """Name the current span by the route's template, which is known only now, and end it."""
    if answered.scope["path"] in OPERATIONAL_PATHS:
        return
    span = trace.get_current_span()
    attributes: dict[str, AttributeValue] = {"http.response.status_code": answered.status}
    if answered.route != NO_ROUTE:
        span.update_name(f"{answered.scope['method']} {answered.route}")
        attributes["http.route"] = answered.route
    if answered.status >= 500:
        attributes["error.type"] = str(answered.status)
        span.set_status(StatusCode.ERROR)
    span.set_attributes(attributes)
    span.end()


def _carrier(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    # Decoded only if needed: most requests at an edge bring none of them.
    found = [
        (name.decode(), value.decode("latin-1")) for name, value in headers if name in _PROPAGATION_HEADERS
    ]
    return combined(found) if found else {}
