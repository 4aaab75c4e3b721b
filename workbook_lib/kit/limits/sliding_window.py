"""Sliding window: never more than so many requests in any stretch of time, wherever it begins."""

from collections import deque

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.limits.model import Decision, Quota
from workbook_lib.kit.limits.states import MAX_KEYS, States

__all__ = ["SlidingWindow"]


class SlidingWindow:
    """Remembers when each request of the last `quota.window_seconds` was allowed.

    Exact, unlike fixed windows, which let twice the limit through around their edge; it costs `quota.limit`
    times per key. With limits in the thousands prefer a token bucket.
    """

    def __init__(self, quota: Quota, *, clock: Clock = SYSTEM_CLOCK, max_keys: int = MAX_KEYS) -> None:
        self.quota = quota
        self._clock = clock
        self._window_us = quota.window_seconds * 1_000_000
        self._times: States[deque[int]] = States(max_keys)

    async def take(self, key: str) -> Decision:
        """Count one request."""
        now_us = round(self._clock.monotonic() * 1_000_000)
        times = self._times.get(key)
        if times is None:
            times = deque()
        while times and times[0] <= now_us - self._window_us:
            times.popleft()
        if allowed := len(times) < self.quota.limit:
            times.append(now_us)
        self._times.set(key, times)
        return decided(
            self.quota,
            allowed,
            len(times),
            times[0] + self._window_us - now_us,
            times[-1] + self._window_us - now_us,
        )


def decided(quota: Quota, allowed: bool, counted: int, first_ends_us: int, last_ends_us: int) -> Decision:
    """The decision after which `counted` requests count, the first and the last for so long."""
    return Decision(
        allowed,
        quota,
        remaining=quota.limit - counted,
        retry_after_seconds=0 if allowed else first_ends_us / 1_000_000,
        reset_seconds=last_ends_us / 1_000_000,
    )
