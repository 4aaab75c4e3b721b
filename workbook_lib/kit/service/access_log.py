"""One log line a request: who asked for what, what came of it and how long it took."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.service.routes import CLIENT_CLOSED_REQUEST, OPERATIONAL_PATHS

__all__ = ["AccessLog"]

_log = get_logger("access")


class AccessLog:
    """ASGI middleware; logs after the response's last byte was handed over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, then log it."""
        if scope["type"] != "http" or scope["path"] in OPERATIONAL_PATHS:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            client = scope.get("client")
            _log.info(
                "request",
                client=client[0] if client else "",
                method=scope["method"],
                path=scope["path"],
                status=status,
                latency_ms=round((time.perf_counter() - started) * 1000, 2),
            )
