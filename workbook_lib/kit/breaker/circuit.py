"""The breaker's state machine: one state variable, one function that changes it, no waiting and no clock."""

from collections.abc import Callable

from workbook_lib.kit.breaker.model import ERRORS, Outcome, State
from workbook_lib.kit.breaker.settings import BreakerSettings
from workbook_lib.kit.breaker.window import RollingWindow

__all__ = ["Circuit"]


class Circuit:
    """Decides from the outcomes of calls whether the next may go through.

    A call asks `refuses`; if not, it takes its `admit` and so its generation, a number that each change of
    state raises. With that it tells `settle` how it ended. What ends in another generation than it began in
    speaks of a state that is over, and changes nothing. Half-open means that one probe is out, always.

    Times are monotonic seconds, given by the caller; `changed` is told of each change: before, after, reason.
    """

    def __init__(self, settings: BreakerSettings, changed: Callable[[State, State, str], None]) -> None:
        self.state: State = "closed"
        self.generation = 0
        self.window = RollingWindow(settings.window_seconds, settings.window_buckets)
        self._volume = settings.request_volume_threshold
        self._percent = settings.error_threshold_percent
        self._sleep_seconds = settings.sleep_window_seconds
        self._opened_at = 0.0
        self._changed = changed

    def refuses(self, now: float) -> float | None:
        """None when a call may go through; else for how many seconds none may, at least."""
        if self.state == "closed":
            return None
        if self.state == "half-open":
            return 0.0  # as long as the probe takes
        rest = self._opened_at + self._sleep_seconds - now
        return None if rest < 0 else rest

    def admit(self) -> int:
        """Let a call through that nothing `refuses`, and say of which generation it is."""
        if self.state == "open":
            self._change("half-open", "the sleep window is over: one probe goes through")
        return self.generation

    def settle(self, generation: int, outcome: Outcome, now: float) -> None:
        """Take in how a call that was let through has ended."""
        if generation != self.generation:
            return
        if self.state == "closed":
            if outcome == "success" or outcome in ERRORS:
                self._count(outcome, now)
        elif outcome in ("success", "ignored"):
            self.window.clear()
            self._change("closed", f"the probe has ended: {outcome}")
        elif outcome == "cancelled":
            self._change("open", "the probe was cancelled: the next call is one")
        else:
            self._opened_at = now
            self._change("open", f"the probe has ended: {outcome}")

    def reject(self, now: float) -> None:
        """Take in that a call found no place among those under way."""
        if self.state == "closed":
            self._count("rejected", now)

    def _count(self, outcome: Outcome, now: float) -> None:
        window = self.window
        window.count(outcome, now)
        calls, errors = window.calls, window.errors
        if errors and calls >= self._volume and errors * 100 >= self._percent * calls:
            self._opened_at = now
            self._change("open", f"{errors} of {calls} calls in the window were errors")

    def _change(self, after: State, reason: str) -> None:
        before, self.state = self.state, after
        self.generation += 1
        self._changed(before, after, reason)
