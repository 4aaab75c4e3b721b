"""The breaker's rules as plainly as they can be written, to compare the real one with.

Each rule is quoted from the project's semantics of a circuit breaker (after Hystrix). Nothing here is fast or
clever: the window is the list of all calls that ended, filtered each time, and nothing is ever forgotten.
"""

from __future__ import annotations

from collections import Counter

from workbook_lib.kit.breaker import BreakerSettings


class ReferenceBreaker:
    def __init__(self, settings: BreakerSettings) -> None:
        self.settings = settings
        self.state = "closed"
        self.opened_at = 0.0
        self.ended: list[tuple[float, str]] = []
        self.under_way: dict[int, int] = {}
        self.state_number = 0
        self.totals: Counter[str] = Counter()
        self.path = ["closed"]

    def arrive(self, call: int, now: float) -> str:
        """What happens to a call that comes now: `through`, or why not."""
        # "Open rejects at once. After *more than* the sleep window one probe goes through (half-open); all
        # others are rejected while it is out."
        asleep = self.state == "open" and now <= self.opened_at + self.settings.sleep_window_seconds
        if asleep or self.state == "half-open":
            # "Short-circuited calls are counted apart and never as errors."
            self.totals["short_circuited"] += 1
            return "short_circuited"
        # "Full -> rejected at once, no queue."
        if len(self.under_way) == self.settings.max_concurrent:
            self.totals["rejected"] += 1
            if self.state == "closed":
                self.count("rejected", now)
            return "rejected"
        if self.state == "open":
            self.become("half-open")
        self.under_way[call] = self.state_number
        return "through"

    def depart(self, call: int, outcome: str, now: float) -> None:
        """A call that went through has ended."""
        # "Concurrency permits return on success, failure, timeout and cancellation."
        began_in = self.under_way.pop(call)
        self.totals[outcome] += 1
        # "A late result from before a transition changes nothing in the new state (generations)."
        if began_in != self.state_number:
            return
        if self.state == "half-open":
            self.probe_ended(outcome, now)
        # "Errors of the caller's own [...] count neither way"; nor does a cancelled call.
        elif outcome not in {"ignored", "cancelled"}:
            self.count(outcome, now)

    def probe_ended(self, outcome: str, now: float) -> None:
        # "Probe succeeds -> closed with a cleared window"; the caller's own "on a probe [...] close it".
        if outcome in {"success", "ignored"}:
            self.ended.clear()
            self.become("closed")
        # "cancelled [...] -> the probe's place is given back, never stuck half-open."
        elif outcome == "cancelled":
            self.become("open")
        # "fails -> open, sleep window restarts".
        else:
            self.opened_at = now
            self.become("open")

    def count(self, outcome: str, now: float) -> None:
        # "Closed -> open when the window holds >= volume-threshold calls and errors >= threshold % (errors:
        # failures, timeouts, rejections by the concurrency limit)."
        self.ended.append((now, outcome))
        calls, errors = self.window(now)
        enough = calls >= self.settings.request_volume_threshold
        if enough and errors / calls >= self.settings.error_threshold_percent / 100:
            self.opened_at = now
            self.become("open")

    def window(self, now: float) -> tuple[int, int]:
        """Calls and errors. "Rolling window 10 s in 10 buckets (never a fixed window)"."""
        length = self.settings.window_seconds / self.settings.window_buckets
        first = now // length - self.settings.window_buckets + 1
        recent = [outcome for at, outcome in self.ended if at // length >= first]
        return len(recent), sum(outcome != "success" for outcome in recent)

    def become(self, state: str) -> None:
        self.state = state
        self.state_number += 1
        self.path.append(state)
