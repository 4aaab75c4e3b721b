"""The edge of WebSockets (RFC 6455): each connection watched from handshake to close, and closed at stop."""

import asyncio
import time
from typing import NamedTuple

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service.handlers import answer
from workbook_lib.kit.service.requests import Answered
from workbook_lib.kit.service.routes import RouteTemplates
from workbook_lib.kit.service.tracing import end_server_span

__all__ = [
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "POLICY_VIOLATION",
    "TRY_AGAIN_LATER",
    "WebSocketEdge",
    "WebSocketLimits",
    "WebSockets",
]

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
_ABNORMAL = 1006

_log = get_logger(__name__)


class WebSocketLimits(NamedTuple):
    """What the server enforces: a longer message closes the connection with 1009, no pong with 1011."""

    max_message_bytes: int = 65_536
    ping_seconds: float = 20.0
    """How often a quiet peer is pinged."""
    pong_seconds: float = 20.0
    """How long its answer may take."""


class WebSockets:
    """The WebSocket connections of one service: how many, what came of them, and their common end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.limits = WebSocketLimits()
        self.stopping = False
        self.open: set[_Connection] = set()
        self.now = Gauge("websocket_connections", "WebSocket connections open.", registry=registry)
        self.ended = Counter(
            "websocket_connections_ended_total",
            "WebSocket connections over, by close code; by HTTP status where the handshake was refused.",
            ("route", "code"),
            registry=registry,
        )
        self.messages = Counter(
            "websocket_messages_total", "WebSocket messages.", ("route", "direction"), registry=registry
        )

    async def stop(self, timeout_seconds: float = 1.0) -> None:
        """Close all with 1001, refuse new ones with a 503; a peer that doesn't read is left to the server."""
        self.stopping = True
        if closing := [asyncio.create_task(connection.go_away()) for connection in self.open]:
            _log.info("closing websockets", connections=len(closing))
            _, late = await asyncio.wait(closing, timeout=timeout_seconds)
            for task in late:
                task.cancel()


class WebSocketEdge:
    """ASGI middleware that does for a WebSocket what the rest of the edge does for a request.

    A handshake that is refused gets the uniform error body. An error after it closes the connection: one with
    a meaning for the caller with 1008, any other with 1011. Its span lasts as long as the connection.
    """

    def __init__(self, app: ASGIApp, websockets: WebSockets, templates: RouteTemplates) -> None:
        self._app = app
        self._websockets = websockets
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the connection on and tell of its end."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        scope["method"] = "GET"  # what a handshake is (RFC 6455, 4.1)
        connection = _Connection(self._websockets, self._templates, scope, receive, send)
        try:
            if self._websockets.stopping:
                raise Unavailable("the service is stopping")
            await self._app(scope, connection.receive, connection.send)
        except Exception as error:  # noqa: BLE001 - answered or told of, whatever it was
            await connection.failed(error)
        finally:
            self._tell(connection)

    def _tell(self, connection: "_Connection") -> None:
        websockets, scope = self._websockets, connection.scope
        route = self._templates.template(scope)
        if connection.accepted:
            connection.code = connection.code or _ABNORMAL  # left without a word
            websockets.open.discard(connection)
            websockets.now.dec()
        websockets.ended.labels(route, str(connection.code or connection.status)).inc()
        seconds = time.perf_counter() - connection.began
        client = scope.get("client")
        _log.info(
            "websocket",
            client=client[0] if client else "",
            path=scope["path"],
            status=connection.status,
            close_code=connection.code,
            seconds=round(seconds, 3),
            received=connection.received,
            sent=connection.sent,
        )
        if connection.code is not None:
            trace.get_current_span().set_attribute("websocket.close_code", connection.code)
        end_server_span(Answered(scope, route, connection.status, seconds))


class _Connection:
    """One connection as the edge sees it: a `receive` and a `send` that remember."""

    def __init__(
        self, websockets: WebSockets, templates: RouteTemplates, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.scope = scope
        self.began = time.perf_counter()
        self.accepted = False
        self.status = 500
        self.code: int | None = None
        self.received = self.sent = 0
        self._websockets = websockets
        self._templates = templates
        self._receive, self._send = receive, send
        self._answering = False
        self._count_received: Counter
        self._count_sent: Counter

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self.received += 1
            self._count_received.inc()
        elif message["type"] == "websocket.disconnect" and self.accepted and self.code is None:
            self.code = message.get("code", _ABNORMAL)
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if not self.accepted:
            await self._answer_handshake(kind, message)
        elif self.code is not None:
            if not self._answering:
                raise ConnectionResetError("the WebSocket is closed")  # becomes Starlette's disconnect
        elif kind == "websocket.http.response.start":
            # An error handler answers a handshake that is over: tell it the WebSocket way.
            self._answering = True
            await self._close(POLICY_VIOLATION if message["status"] < 500 else INTERNAL_ERROR)
        elif kind == "websocket.close":
            await self._close(message.get("code", 1000), message.get("reason") or "")
        else:
            await self._send(message)
            self.sent += 1
            self._count_sent.inc()

    async def _answer_handshake(self, kind: str, message: Message) -> None:
        if kind == "websocket.close":
            unknown = self.scope.get("route") is None
            await self._refuse(HTTPException(404 if unknown else 403))
            return
        if kind == "websocket.accept":
            self.accepted, self.status = True, 101
            route = self._templates.template(self.scope)
            self._count_received = self._websockets.messages.labels(route, "received")
            self._count_sent = self._websockets.messages.labels(route, "sent")
            self._websockets.open.add(self)
            self._websockets.now.inc()
        elif kind == "websocket.http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def _refuse(self, error: Exception) -> None:
        await answer(error, self.scope)(self.scope, self._receive, self.send)

    async def _close(self, code: int, reason: str = "") -> None:
        self.code = code
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def go_away(self) -> None:
        if self.code is None:
            await self._close(GOING_AWAY, "the service is stopping")

    async def failed(self, error: Exception) -> None:
        """Answer for an error that nobody handled; one that comes of the connection's end is none."""
        if not self.accepted:
            await self._refuse(error)
        elif self.code is None and not isinstance(error, WebSocketDisconnect | OSError):
            answer(error, self.scope)  # logs it
            await self._close(INTERNAL_ERROR)
