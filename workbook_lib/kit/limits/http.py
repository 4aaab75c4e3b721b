"""Limits on HTTP requests: 429 with Retry-After; of a rate also the RateLimit headers on every answer.

Headers: draft-ietf-httpapi-ratelimit-headers-11; Retry-After: RFC 9110, 10.2.3.
"""

import math
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbook_lib.kit.errors import TooManyRequests
from workbook_lib.kit.limits.concurrency import Concurrency
from workbook_lib.kit.limits.model import Decision, Limiter

__all__ = ["ConcurrencyLimit", "RateLimit", "by_address", "enforce", "rate_limit_headers"]

_EXEMPT_PATHS = frozenset({"/health", "/metrics"})  # an overloaded instance must not look like a dead one


def by_address(scope: Scope) -> str:
    """The caller's address as a key; of IPv6 its /64, which is what one customer has."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else host


def rate_limit_headers(decision: Decision) -> dict[str, str]:
    """RateLimit-Policy says what the quota is, RateLimit what is left of it and when it is whole again."""
    quota = decision.quota
    return {
        "RateLimit-Policy": f'"{quota.name}";q={quota.limit};w={quota.window_seconds}',
        "RateLimit": f'"{quota.name}";r={decision.remaining};t={math.ceil(decision.reset_seconds)}',
    }


async def enforce(limiter: Limiter, key: str) -> Decision:
    """Count one request of `key`. Raises TooManyRequests, which says when to come back."""
    decision = await limiter.take(key)
    if decision.allowed:
        return decision
    quota = decision.quota
    seconds = max(1, math.ceil(decision.retry_after_seconds))  # whole seconds, and never too early
    raise TooManyRequests(
        f"{quota.limit} requests in {quota.window_seconds} s are allowed; try again in {seconds} s.",
        details={"retry_after_seconds": seconds},
        headers={"Retry-After": str(seconds), **rate_limit_headers(decision)},
    )


class RateLimit:
    """ASGI middleware: each request counts for its caller, by default for its address.

    Put it behind `ForwardedClient` where a proxy is in front, or all its callers share one quota.
    """

    def __init__(self, app: ASGIApp, limiter: Limiter, key: Callable[[Scope], str] = by_address) -> None:
        self._app = app
        self._limiter = limiter
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its caller's quota allows it."""
        if scope["type"] == "lifespan" or scope["path"] in _EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        decision = await enforce(self._limiter, self._key(scope))  # of a WebSocket, its handshake

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in rate_limit_headers(decision).items():
                    headers.setdefault(name, value)  # a route's own, narrower limit tells more
            await send(message)

        await self._app(scope, receive, with_headers)


class ConcurrencyLimit:
    """ASGI middleware: so many requests of each caller at the same time, by default of each address.

    Unlike a rate it needs no guess at what the service can bear: when answers take longer, fewer get in.
    """

    def __init__(self, app: ASGIApp, limit: int, key: Callable[[Scope], str] = by_address) -> None:
        self._app = app
        self._limit = Concurrency(limit)
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its caller has a place left; a WebSocket takes none, as it may stay long."""
        if scope["type"] != "http" or scope["path"] in _EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        async with self._limit.hold(self._key(scope)):
            await self._app(scope, receive, send)
