"""Who may call the gateway, from where, and how often: put together from the settings."""

import hashlib

from fastapi import Request

from services.contracts import names
from services.gateway.access_settings import AccessSettings
from services.gateway.settings import GatewaySettings
from workbook_lib.kit.cache import Cache
from workbook_lib.kit.limits import (
    Limiter,
    Quota,
    SharedSlidingWindow,
    SharedTokenBucket,
    SlidingWindow,
    TokenBucket,
    WithFallback,
)
from workbook_lib.kit.limits.http import ConcurrencyLimit, RateLimit, by_address, enforce
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.security.client_address import ForwardedClient, networks
from workbook_lib.kit.security.cors import Cors
from workbook_lib.kit.security.headers import SecurityHeaders
from workbook_lib.kit.security.session_cookie import CurrentSession, SessionCookie
from workbook_lib.kit.security.sessions import Sessions
from workbook_lib.kit.security.tokens import SigningKey, Tokens, read_keys
from workbook_lib.kit.service import Service

__all__ = ["Access"]

_LIMIT_SECONDS = 0.25  # of each request, while Redis doesn't answer, until it is left alone for a while

_log = get_logger(__name__)


class Access:
    """The gateway's tokens, sessions and limits.

    A resource that holds their connections to Redis, deliberately without a `check`: without Redis limits are
    counted locally and nobody has a session, and everything else goes on.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._counters = Cache(settings.redis_url, namespace="gateway-limits", timeout_seconds=_LIMIT_SECONDS)
        self.tokens = _tokens(settings)
        self.sessions = Sessions(
            Cache(settings.redis_url, namespace="gateway-sessions"),
            idle_seconds=settings.session_idle_seconds,
            lifetime_seconds=settings.session_seconds,
        )
        self.cors = settings.cors_policy()
        self.cookie = SessionCookie(secure=settings.cookie_secure)
        self.session = CurrentSession(self.sessions, self.cookie, self.cors)
        self._login_limit = self._limiter(Quota.read("login", settings.login_limit), exact=True)

    def guard(self, service: Service) -> None:
        """Add what every request passes, in this order."""
        if self._settings.trusted_proxies:
            service.add_middleware(ForwardedClient, trusted=networks(self._settings.trusted_proxies))
        service.add_middleware(SecurityHeaders)
        if self.cors.origins:
            service.add_middleware(Cors, policy=self.cors)
        exact = self._settings.rate_limit_by == "sliding_window"
        limiter = self._limiter(Quota.read("default", self._settings.rate_limit), exact=exact)
        if limiter is not None:
            service.add_middleware(RateLimit, limiter=limiter)
        if self._settings.concurrency_limit:
            service.add_middleware(ConcurrencyLimit, limit=self._settings.concurrency_limit)

    async def limit_login(self, request: Request, account: str) -> None:
        """Count one try to log in. Raises TooManyRequests.

        For each address, and for each account too: an attacker may have many addresses.
        """
        if self._login_limit is not None:
            await enforce(self._login_limit, f"address:{by_address(request.scope)}")
            await enforce(self._login_limit, f"account:{hashlib.sha256(account.encode()).hexdigest()}")

    def _limiter(self, quota: Quota | None, *, exact: bool) -> Limiter | None:
        if quota is None:
            return None
        local: Limiter = SlidingWindow(quota) if exact else TokenBucket(quota)
        if not self._settings.limits_shared:
            return local
        shared: Limiter = (SharedSlidingWindow if exact else SharedTokenBucket)(self._counters, quota)
        return WithFallback(shared, local)

    async def start(self) -> None:
        """Make the clients of Redis."""
        await self._counters.start()
        await self.sessions.start()

    async def stop(self) -> None:
        """Close them."""
        await self.sessions.stop()
        await self._counters.stop()


def _tokens(settings: AccessSettings) -> Tokens | None:
    if settings.token_keys is not None:
        keys = read_keys(settings.token_keys)
    elif settings.environment == "dev":
        # Random, never a default that others know; another instance, or this one restarted, has another.
        keys = [SigningKey.new("of-this-process")]
    else:
        _log.warning("no tokens are issued", cause="token_keys isn't set")
        return None
    return Tokens(keys, issuer=names.GATEWAY, audience="workbook", lifetime_seconds=settings.token_seconds)
