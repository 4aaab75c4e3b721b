"""Errors at the edge: whatever goes wrong, the caller gets the one error body, and the process goes on."""

from typing import cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbook_lib.kit import errors, telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.reporting import report_unexpected
from workbook_lib.kit.service.media_types import unread_media_type
from workbook_lib.kit.service.routes import allowed_methods

__all__ = ["UnexpectedErrors", "add_error_handlers", "answer"]

_MOST_PROBLEMS = 20
_LONGEST_FIELD = 200

_log = get_logger(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Answer the kit's errors, FastAPI's on validation and Starlette's 404, 405 and 413 with the one body."""
    app.add_exception_handler(errors.ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(WebSocketRequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)


async def _service_error(request: Request, raised: Exception) -> Response:
    return _of_service_error(cast("errors.ServiceError", raised), request.scope)


def _of_service_error(error: errors.ServiceError, scope: Scope) -> Response:
    if error.status >= 500:
        # The caller reads only a public text; the cause belongs in the log.
        _log.error("request failed", error=type(error).__name__, code=error.code, cause=error.message)
    return _response(error, scope)


async def _validation_error(request: Request, raised: Exception) -> Response:
    if (unread := unread_media_type(request)) is not None:
        return _response(unread, request.scope)
    problems = cast("RequestValidationError", raised).errors()
    # Bounded, because the caller chooses how many there are and, in objects, what fields are called.
    details = [
        {"field": _field(problem["loc"])[:_LONGEST_FIELD], "message": problem["msg"]}
        for problem in problems[:_MOST_PROBLEMS]
    ]
    return _response(errors.InvalidRequest("The request isn't valid.", details=details), request.scope)


def _field(location: tuple[str | int, ...]) -> str:
    """Where in the request: `sku` of ("body", "sku"); `body` itself when it isn't JSON at all."""
    names = location[1:] if len(location) > 1 and isinstance(location[1], str) else location[:1]
    return ".".join(map(str, names))


async def _http_exception(request: Request, raised: Exception) -> Response:
    response = _of_http_exception(cast("HTTPException", raised), request.scope)
    if "allow" in response.headers:
        response.headers["allow"] = allowed_methods(request.app, request.url.path)
    return response


def _of_http_exception(error: HTTPException, scope: Scope) -> Response:
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    response = _response(errors.of_status(error.status_code, str(error.detail)), scope)
    response.headers.update(error.headers or {})
    return response


def _response(error: errors.ServiceError, scope: Scope) -> Response:
    body = errors.error_body(error, telemetry.current_trace_id(), SYSTEM_CLOCK)
    if localize := scope.get("workbook.localize"):  # kit.i18n's; only what people read is translated
        body.message = localize(body.message)
    text = body.model_dump_json(exclude_none=True)
    return Response(text, error.status, dict(error.headers), media_type="application/json")


class UnexpectedErrors:
    """ASGI middleware: an exception that nobody handles is logged with its traceback and answered with a 500.

    Starlette's own last resort raises it again, for the server to log a second time; here it ends. An error
    with a meaning, raised by another middleware, is answered with what it means. One that isn't the
    `outermost` leaves an answer that breaks off to that one.
    """

    def __init__(self, app: ASGIApp, *, outermost: bool = True) -> None:
        self._app = app
        self._outermost = outermost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and answer for it if need be."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            if not started and self._outermost:
                _refuse_split(message)
            await send(message)
            started = True

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:
            if started:
                if self._outermost:
                    _note(error, scope)
                raise  # too late to tell the caller; the server cuts the connection
            await answer(error, scope)(scope, receive, send)


def answer(error: Exception, scope: Scope) -> Response:
    """The answer to an error that reached the edge; an unexpected one is logged with its traceback."""
    if isinstance(error, errors.ServiceError):
        return _of_service_error(error, scope)
    if isinstance(error, HTTPException):
        return _of_http_exception(error, scope)
    _note(error, scope)
    return _response(errors.Internal(str(error)), scope)


def _refuse_split(start: Message) -> None:
    """Raise ValueError for a header value that would end its line and begin another header: CWE-113.

    RFC 9110, 5.5, calls CR, LF and NUL dangerous. The server would cut the connection instead.
    """
    values = b"".join([value for _, value in start.get("headers", ())])
    if b"\n" in values or b"\r" in values or b"\0" in values:
        raise ValueError("a header of the answer holds CR, LF or NUL")


def _note(error: Exception, scope: Scope) -> None:
    report_unexpected(error, method=scope["method"], path=scope["path"])
