"""The same limits shared by all instances of a service: counted in Redis, each decision one atomic script.

Time is Redis' own, so that instances whose clocks differ agree. Redis forgets a key when its quota is whole
again. Without Redis `take` raises `CacheError`; see `WithFallback`.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator

from workbook_lib.kit.cache import Cache, Script
from workbook_lib.kit.limits import concurrency, sliding_window, token_bucket
from workbook_lib.kit.limits.model import Decision, Quota

__all__ = ["SharedConcurrency", "SharedSlidingWindow", "SharedTokenBucket"]

_NOW_US = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
"""

_EXACT = 2**53  # Lua's numbers are doubles: whole numbers below this are exact

_TOKEN_BUCKET = Script(
    _NOW_US
    + """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = limit * window
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(kept[1] or full), tonumber(kept[2] or now)
local elapsed = math.min(math.max(now - at, 0), window)
level = math.min(full, level + elapsed * limit)
local allowed = 0
if level >= window then
  allowed, level = 1, level - window
end
redis.call('HSET', KEYS[1], 'level', level, 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil((full - level) / limit / 1000) + 1)
return {allowed, level}
"""
)

_SLIDING_WINDOW = Script(
    _NOW_US
    + """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local first = redis.call('LINDEX', KEYS[1], 0)
while first and tonumber(first) <= now - window do
  redis.call('LPOP', KEYS[1])
  first = redis.call('LINDEX', KEYS[1], 0)
end
local counted, allowed = redis.call('LLEN', KEYS[1]), 0
if counted < limit then
  allowed, counted = 1, redis.call('RPUSH', KEYS[1], now)
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1)
end
local last = redis.call('LINDEX', KEYS[1], -1)
return {allowed, counted, (first or now) + window - now, last + window - now}
"""
)

_HOLD = Script(
    _NOW_US
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000) + 1)
return 1
"""
)
_RELEASE = Script("return redis.call('ZREM', KEYS[1], ARGV[1])")


class SharedTokenBucket:
    """`TokenBucket` for all instances that use the same Redis and namespace."""

    def __init__(self, cache: Cache, quota: Quota) -> None:
        if quota.limit * quota.window_seconds * 1_000_000 >= _EXACT:
            raise ValueError(f"{quota} is too large to be counted exactly")
        self.quota = quota
        self._cache = cache

    async def take(self, key: str) -> Decision:
        """Take one token. Raises CacheError."""
        allowed, level = await self._cache.run(
            _TOKEN_BUCKET, f"{self.quota.name}:{key}", self.quota.limit, self.quota.window_seconds * 1_000_000
        )
        return token_bucket.decided(self.quota, bool(allowed), level)


class SharedSlidingWindow:
    """`SlidingWindow` for all instances that use the same Redis and namespace."""

    def __init__(self, cache: Cache, quota: Quota) -> None:
        self.quota = quota
        self._cache = cache

    async def take(self, key: str) -> Decision:
        """Count one request. Raises CacheError."""
        allowed, counted, first_ends_us, last_ends_us = await self._cache.run(
            _SLIDING_WINDOW,
            f"{self.quota.name}:{key}",
            self.quota.limit,
            self.quota.window_seconds * 1_000_000,
        )
        return sliding_window.decided(self.quota, bool(allowed), counted, first_ends_us, last_ends_us)


class SharedConcurrency:
    """`Concurrency` for all instances that use the same Redis and namespace.

    Each holder has a lease of `lease_seconds`: a place that a crashed instance held is free again when it is
    over, so it must be longer than anything takes.
    """

    def __init__(self, cache: Cache, limit: int, *, lease_seconds: float) -> None:
        self.limit = limit
        self._cache = cache
        self._lease_us = round(lease_seconds * 1_000_000)

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold a place while open. Raises TooManyRequests, or CacheError."""
        holder = secrets.token_hex(16)
        if not await self._cache.run(_HOLD, key, self.limit, self._lease_us, holder):
            raise concurrency.full(self.limit)
        try:
            yield
        finally:
            await self._cache.run(_RELEASE, key, holder)
