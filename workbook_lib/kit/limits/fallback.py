"""What a shared limit does while Redis is away: it goes on, counting for this instance alone."""

from workbook_lib.kit.cache import CacheError
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.limits.model import Decision, Limiter, Quota
from workbook_lib.kit.logs import get_logger

__all__ = ["WithFallback"]

_log = get_logger(__name__)


class WithFallback:
    """A shared limiter, and a local one for the time that Redis doesn't answer.

    The policy: a limit guards the service, so losing it must neither refuse everybody (fail closed) nor let
    everything through (fail open). With n instances a caller gets up to n times the quota meanwhile. Redis is
    tried again every `retry_seconds`, not by each request, which would wait for its timeout.
    """

    def __init__(
        self, shared: Limiter, local: Limiter, *, retry_seconds: float = 1.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._shared = shared
        self._local = local
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._away = False
        self._retry_at = 0.0

    @property
    def quota(self) -> Quota:
        """What it allows."""
        return self._shared.quota

    async def take(self, key: str) -> Decision:
        """Count one request, where that is possible."""
        if self._away:
            if self._clock.monotonic() < self._retry_at:
                return await self._local.take(key)
            self._retry_at = self._clock.monotonic() + self._retry_seconds  # one request tries, for all
        try:
            decision = await self._shared.take(key)
        except CacheError as error:
            if not self._away:
                _log.warning("rate limit counted locally", quota=self.quota.name, cause=error.message)
            self._away, self._retry_at = True, self._clock.monotonic() + self._retry_seconds
            return await self._local.take(key)
        if self._away:
            _log.info("rate limit shared again", quota=self.quota.name)
            self._away = False
        return decision
