"""A limit on request bodies, announced or not, refused with the same error body as everything else."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BodyLimit", "allow_body"]

_LIMIT = "workbook.max_body_bytes"

_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


def allow_body(scope: Scope, max_body_bytes: int) -> None:
    """Give one request a limit of its own, before its body is read: a route for uploads does so."""
    scope[_LIMIT] = max_body_bytes


class BodyLimit:
    """ASGI middleware: reading more than `max_body_bytes` of a request's body raises a 413.

    FastAPI's own `max_body_size` answers a too long Content-Length with plain text, past all error handlers.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its body under watch if it has one."""
        headers = scope["headers"] if scope["type"] == "http" else ()
        about_body = {name: value for name, value in headers if name in _BODY_HEADERS}
        if not about_body:
            await self._app(scope, receive, send)
            return
        length = about_body.get(b"content-length", b"")
        announced = int(length) if length.isdigit() else 0
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            limit = scope.get(_LIMIT, self._max_body_bytes)
            if announced <= limit:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= limit:
                    return message
            raise HTTPException(413, f"The body may have {limit} bytes at most.")

        await self._app(scope, limited_receive, send)
