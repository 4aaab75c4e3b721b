"""CORS: which other origins' pages may read our answers. A browser enforces it; we state it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from workbook_lib.kit.errors import Forbidden

__all__ = ["Cors", "CorsPolicy"]

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")


@dataclass(frozen=True)
class CorsPolicy:
    """Which origins may do what; by default none may.

    An origin is scheme, host and port, compared as a whole: no patterns, because most that are written match
    `https://shop.example.evil.test` too. "*" allows every origin to read what anybody may read without
    credentials. Raises ValueError for a policy that would open more than it says.
    """

    origins: Sequence[str] = ()
    credentials: bool = False
    methods: Sequence[str] = ("GET", "POST", "PUT", "PATCH", "DELETE")
    headers: Sequence[str] = ("Authorization", "Content-Type", "traceparent")
    exposed: Sequence[str] = ("Retry-After", "RateLimit", "RateLimit-Policy", "ETag", "Location")
    max_age_seconds: int = 600

    def __post_init__(self) -> None:
        if "*" in self.origins and self.credentials:
            raise ValueError('CORS: "*" with credentials lets every page act in the name of its visitors')
        for origin in self.origins:
            # "null" is what every sandboxed frame and local file sends.
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"CORS: {origin!r} is no origin such as https://shop.example:8443")

    def allows(self, origin: str) -> bool:
        """Whether pages of `origin` may read our answers."""
        return "*" in self.origins or origin in self.origins


class Cors(CORSMiddleware):
    """Starlette's middleware (pure ASGI) for a `CorsPolicy`, refusing in the uniform error body."""

    def __init__(self, app: ASGIApp, policy: CorsPolicy) -> None:
        super().__init__(
            app,
            allow_origins=policy.origins,
            allow_credentials=policy.credentials,
            allow_methods=policy.methods,
            allow_headers=policy.headers,
            expose_headers=policy.exposed,
            max_age=policy.max_age_seconds,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks first. Raises Forbidden, with which the browser doesn't go on."""
        answer = super().preflight_response(request_headers)
        if answer.status_code >= 400:
            reason = bytes(answer.body).decode()  # names the part that is refused, and echoes nothing
            raise Forbidden(f"{reason}.", headers={"Vary": answer.headers["Vary"]})
        return answer
