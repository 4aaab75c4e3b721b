"""Token bucket: a steady rate, and as much at once as has been saved up."""

from typing import NamedTuple

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.limits.model import Decision, Quota
from workbook_lib.kit.limits.states import MAX_KEYS, States

__all__ = ["TokenBucket"]


class _Bucket(NamedTuple):
    level: int
    at_us: int


class TokenBucket:
    """Holds up to `quota.limit` tokens and refills evenly, all of them in `quota.window_seconds`.

    A caller may use a full bucket at once and then the refill: up to twice the limit in one window.
    """

    def __init__(self, quota: Quota, *, clock: Clock = SYSTEM_CLOCK, max_keys: int = MAX_KEYS) -> None:
        self.quota = quota
        self._clock = clock
        self._buckets: States[_Bucket] = States(max_keys)
        # A level is counted in token-microseconds: `limit` of them flow in each microsecond, a request takes
        # `window`. All whole numbers, so that nothing is lost or won by rounding.
        self._window_us = quota.window_seconds * 1_000_000
        self._full = quota.limit * self._window_us

    async def take(self, key: str) -> Decision:
        """Take one token."""
        now_us = round(self._clock.monotonic() * 1_000_000)
        bucket = self._buckets.get(key) or _Bucket(self._full, now_us)
        level = min(self._full, bucket.level + (now_us - bucket.at_us) * self.quota.limit)
        if allowed := level >= self._window_us:
            level -= self._window_us
        self._buckets.set(key, _Bucket(level, now_us))
        return decided(self.quota, allowed, level)


def decided(quota: Quota, allowed: bool, level: int) -> Decision:
    """The decision after which a bucket holds `level` token-microseconds."""
    window_us = quota.window_seconds * 1_000_000
    missing_us = (
        0 if allowed else -((level - window_us) // quota.limit)
    )  # rounded up: never told to come too early
    return Decision(
        allowed,
        quota,
        remaining=level // window_us,
        retry_after_seconds=missing_us / 1_000_000,
        reset_seconds=(quota.limit * window_us - level) / quota.limit / 1_000_000,
    )
