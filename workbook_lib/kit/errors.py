"""The errors that services raise, and the one body in which an error travels over HTTP.

    ServiceError                code  status  can be retried
    ├── InvalidRequest         40001     400  no
    ├── Unauthenticated        40101     401  no
    ├── Forbidden              40301     403  no
    ├── NotFound               40401     404  no
    ├── MethodNotAllowed       40501     405  no
    ├── NotAcceptable          40601     406  no
    ├── Conflict               40901     409  no
    ├── PreconditionFailed     41201     412  no
    ├── PayloadTooLarge        41301     413  no
    ├── UnsupportedMediaType   41501     415  no
    ├── TooManyRequests        42901     429  yes
    ├── Internal               50001     500  no
    ├── DependencyFailed       50201     502  yes
    ├── Unavailable            50301     503  yes
    └── DeadlineExceeded       50401     504  yes

A code is its status times 100 plus a number of the service's own (1 is the plain case): a service may have a
subclass with 40902, and callers that don't know it still see a conflict.
"""

import inspect
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, Field

from workbook_lib.kit.clock import Clock

__all__ = [
    "Conflict",
    "DeadlineExceeded",
    "DependencyFailed",
    "ErrorBody",
    "ErrorKind",
    "Forbidden",
    "Internal",
    "InvalidRequest",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "PayloadTooLarge",
    "PreconditionFailed",
    "ServiceError",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "UnsupportedMediaType",
    "catalogue",
    "error_body",
    "from_body",
    "of_status",
]


class ServiceError(Exception):
    """An error with a meaning for the caller. `details` is shown to the caller as it is.

    `public_message` is what a caller reads instead of `message`, which may tell too much of the inside; None
    shows `message` itself. `headers` are those of an HTTP answer that go with the error.
    """

    code: int = 50001
    status: int = 500
    retryable: ClassVar[bool] = False
    public_message: ClassVar[str | None] = None
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self, message: str, *, details: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if headers is not None:
            self.headers = headers


class InvalidRequest(ServiceError):
    """The request can't be understood or breaks a rule on its form."""

    code = 40001
    status = 400


class Unauthenticated(ServiceError):
    """The caller isn't known."""

    code = 40101
    status = 401
    headers = MappingProxyType(
        {"WWW-Authenticate": "Bearer"}
    )  # a 401 must say how to do better: RFC 9110, 11.6.1


class Forbidden(ServiceError):
    """The caller is known and may not do this."""

    code = 40301
    status = 403


class NotFound(ServiceError):
    """What the request names doesn't exist."""

    code = 40401
    status = 404


class MethodNotAllowed(ServiceError):
    """The path exists, but not for this HTTP method."""

    code = 40501
    status = 405


class NotAcceptable(ServiceError):
    """The request accepts no form of the answer that the service has."""

    code = 40601
    status = 406


class Conflict(ServiceError):
    """The request contradicts the present state; repeating it unchanged won't help."""

    code = 40901
    status = 409


class PreconditionFailed(ServiceError):
    """The request is meant for another state than the present one (If-Match): read again first."""

    code = 41201
    status = 412


class PayloadTooLarge(ServiceError):
    """The request's body is larger than the service reads."""

    code = 41301
    status = 413


class UnsupportedMediaType(ServiceError):
    """The request's body has a Content-Type that isn't read here."""

    code = 41501
    status = 415


class TooManyRequests(ServiceError):
    """The caller is over its limit and may come back later."""

    code = 42901
    status = 429
    retryable = True


class Internal(ServiceError):
    """A fault of the service itself."""

    code = 50001
    status = 500
    public_message = "The service failed while answering; the traceId finds the cause in its log."


class DependencyFailed(ServiceError):
    """Something that the service depends on answered with a failure."""

    code = 50201
    status = 502
    retryable = True
    public_message = "Another service that this one depends on failed."


class Unavailable(ServiceError):
    """The service, or one that it can't do without, can't be reached or can't answer now."""

    code = 50301
    status = 503
    retryable = True
    public_message = "The service can't answer now; try again."


class DeadlineExceeded(ServiceError):
    """No answer came in the time allowed; whether the work was done is unknown."""

    code = 50401
    status = 504
    retryable = True
    public_message = "No answer came in the time allowed."


_BY_STATUS: Mapping[int, type[ServiceError]] = {
    kind.status: kind
    for kind in (
        InvalidRequest,
        Unauthenticated,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        Conflict,
        PreconditionFailed,
        PayloadTooLarge,
        UnsupportedMediaType,
        TooManyRequests,
        Internal,
        DependencyFailed,
        Unavailable,
        DeadlineExceeded,
    )
}


class ErrorBody(BaseModel):
    """What a caller gets for every error, whatever went wrong."""

    code: int = Field(
        description="its status times 100, plus a number of the service's own", examples=[40401]
    )
    message: str = Field(description="for people; never parse it")
    timestamp: str = Field(description="RFC 3339, UTC", examples=["2026-01-01T00:00:00.000Z"])
    traceId: str = Field(description="W3C trace id of the request, 32 hex digits; the same in Jaeger")  # noqa: N815
    details: Any = Field(default=None, description="depends on the code; of 40001 a list of {field, message}")


def error_body(error: ServiceError, trace_id: str, clock: Clock) -> ErrorBody:
    """The body that tells a caller of `error`, with its public message if it has one."""
    return ErrorBody(
        code=error.code,
        message=error.public_message or error.message,
        timestamp=clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        traceId=trace_id,
        details=error.details,
    )


def of_status(status: int, message: str, *, details: object = None) -> ServiceError:
    """The error for an HTTP status of 400 or above; for an unlisted one, the plain kind of its class."""
    kind = _BY_STATUS.get(status) or (InvalidRequest if status < 500 else DependencyFailed)
    error = kind(message, details=details)
    if kind.status != status:
        error.status, error.code = status, status * 100 + 1
    return error


def from_body(status: int, body: Mapping[str, Any]) -> ServiceError:
    """Rebuild, on the caller's side, the error that a service answered with; `body` may lack any field."""
    error = of_status(status, str(body.get("message") or f"HTTP {status}"), details=body.get("details"))
    code = body.get("code")
    if isinstance(code, int) and code // 100 == status:
        error.code = code
    return error


class ErrorKind(NamedTuple):
    """One line of the catalogue: what a code means, and whether sending the same again can help."""

    code: int
    status: int
    name: str
    retryable: bool
    meaning: str


def catalogue() -> list[ErrorKind]:
    """Every code that this process can answer with, in order; services' own as far as they are imported.

    Read from the classes, so that it can't say anything else than the services do.
    """
    return sorted(
        ErrorKind(
            kind.code,
            kind.status,
            kind.__name__,
            kind.retryable,
            (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " "),
        )
        for kind in _kinds(ServiceError)
    )


def _kinds(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for kind in base.__subclasses__():
        if "code" in vars(kind):  # one that inherits its code means nothing else to a caller
            yield kind
        yield from _kinds(kind)
