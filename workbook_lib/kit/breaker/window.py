"""The rolling window: the calls of the last seconds, forgotten bucket by bucket."""

from collections import deque

from workbook_lib.kit.breaker.model import ERRORS, Outcome, WindowCounts

__all__ = ["RollingWindow"]


class RollingWindow:
    """Counts finished calls; each for the `seconds` that follow, less up to the length of one bucket.

    A fixed window, emptied every so often, would forget half an outage that lies across its edge. This one
    costs a counter a bucket, however many calls there are. Time is given by the caller, monotonic.
    """

    def __init__(self, seconds: float, buckets: int) -> None:
        self._bucket_seconds = seconds / buckets
        self._length = buckets
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.calls = 0
        """Calls in the window, as of the last `count` or `at`."""
        self.errors = 0
        """How many of these were errors."""
        self._ends = 0.0  # of the newest bucket
        self._buckets = deque(_bucket() for _ in range(self._length))
        self._newest = self._buckets[-1]

    def count(self, outcome: Outcome, now: float) -> None:
        """Add one call that has ended now: a success or one of `ERRORS`."""
        if now >= self._ends:
            self._roll(now)
        self._newest[outcome] += 1
        self.calls += 1
        if outcome != "success":
            self.errors += 1

    def at(self, now: float) -> WindowCounts:
        """What the window holds now."""
        self._roll(now)
        percent = 100 * self.errors / self.calls if self.calls else 0.0
        return WindowCounts(
            calls=self.calls,
            errors=self.errors,
            error_percent=percent,
            success=self._sum("success"),
            failure=self._sum("failure"),
            timeout=self._sum("timeout"),
            rejected=self._sum("rejected"),
        )

    def _roll(self, now: float) -> None:
        if now < self._ends:
            return
        ends = (now // self._bucket_seconds + 1) * self._bucket_seconds
        for _ in range(min(round((ends - self._ends) / self._bucket_seconds), self._length)):
            oldest = self._buckets.popleft()
            errors = sum(oldest[error] for error in ERRORS)
            self.calls -= oldest["success"] + errors
            self.errors -= errors
            self._buckets.append(_bucket())
        self._ends = ends
        self._newest = self._buckets[-1]

    def _sum(self, outcome: Outcome) -> int:
        return sum(bucket[outcome] for bucket in self._buckets)


def _bucket() -> dict[Outcome, int]:
    return {"success": 0, "failure": 0, "timeout": 0, "rejected": 0}
