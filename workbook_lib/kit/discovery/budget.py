"""How many retries a client may make: a share of its calls, so that retries never multiply an overload."""

from collections import deque
from typing import Final

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock

__all__ = ["RetryBudget"]

BUCKETS: Final = 10


class RetryBudget:
    """Retries as a share of the calls of the last `window_seconds`, and `min_per_second` besides.

    After Finagle's RetryBudget, with its figures: 20 % over 10 s, and 10 a second so that a client with few
    calls may retry at all. Without a budget, a callee that fails under its load is sent three times the load
    by clients of two retries. "Site Reliability Engineering" (chapter 21, Handling Overload) keeps one of
    10 % a client for the same reason.

    Raises ValueError for a negative share or rate, or no window.
    """

    def __init__(
        self,
        ratio: float = 0.2,
        *,
        min_per_second: float = 10.0,
        window_seconds: float = 10.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if ratio < 0 or min_per_second < 0 or window_seconds <= 0:
            raise ValueError("ratio and min_per_second may not be negative, window_seconds must be positive")
        self.ratio = ratio
        self._reserve = min_per_second * window_seconds
        self._bucket_seconds = window_seconds / BUCKETS
        self._clock = clock
        self._buckets: deque[tuple[int, float]] = deque()  # number of the bucket, what it adds to the balance

    @property
    def balance(self) -> float:
        """The retries that are allowed now."""
        self._expire()
        return self._reserve + sum(amount for _, amount in self._buckets)

    def deposit(self) -> None:
        """Count a call, not a retry: it earns `ratio` of a retry, for as long as the window lasts."""
        self._add(self.ratio)

    def withdraw(self) -> bool:
        """Take one retry; False when none is left, and nothing is taken."""
        if self.balance < 1 - 1e-9:  # five times 0.2 is a little less than 1
            return False
        self._add(-1)
        return True

    def _add(self, amount: float) -> None:
        self._expire()
        now = self._bucket()
        before = self._buckets.pop()[1] if self._buckets and self._buckets[-1][0] == now else 0.0
        self._buckets.append((now, before + amount))

    def _expire(self) -> None:
        oldest = self._bucket() - BUCKETS
        while self._buckets and self._buckets[0][0] <= oldest:
            self._buckets.popleft()

    def _bucket(self) -> int:
        return int(self._clock.monotonic() / self._bucket_seconds)
