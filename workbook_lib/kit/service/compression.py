"""gzip for answers: Starlette's middleware, which is pure ASGI, with the client's refusal honoured."""

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware, IdentityResponder
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Compression"]

# Packed already, so that a second time costs CPU and saves nothing.
_PACKED = ("application/pdf", "application/x-7z-compressed", "application/zstd")


class Compression(GZipMiddleware):
    """ASGI middleware that sends answers of `minimum_bytes` or more as gzip to clients that accept it.

    Images, archives, PDF and server-sent events pass as they are; `Vary: Accept-Encoding` is set either way.
    Don't put a secret and text that an attacker chooses into one compressed answer: its length tells how much
    they have in common (BREACH).
    """

    def __init__(self, app: ASGIApp, minimum_bytes: int = 1024, level: int = 5) -> None:
        super().__init__(
            app, minimum_bytes, level, exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, *_PACKED)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer on smaller."""
        if scope["type"] == "http" and _refused(scope):
            plain = IdentityResponder(
                self.app, self.minimum_size, exclude_content_types=self.exclude_content_types
            )
            await plain(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _refused(scope: Scope) -> bool:
    """Whether gzip has the weight 0 (RFC 9110, 12.4.2 and 12.5.3): the parent looks for the word alone."""
    codings = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").split(b",")
    for coding in codings:
        name, _, weight = coding.replace(b" ", b"").lower().partition(b";q=")
        if name == b"gzip" and weight and not weight.strip(b"0."):
            return True
    return False
