"""The calls under way: how many there are, and who ends each in time."""

import asyncio
from contextvars import Context

from workbook_lib.kit.clock import Clock

__all__ = ["TimedCall", "UnderWay"]


class TimedCall:
    """A part of a task that is cancelled when its time is over; the rules are those of `asyncio.timeout`."""

    expired = False

    _task: asyncio.Task[object]
    _cancelling: int
    _due: float

    def begin(self, due: float) -> asyncio.AbstractEventLoop:
        """Be a part of the running task from now on, due at that time; returns the task's loop."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call with a timeout must be awaited in a task")
        self._task, self._due, self._cancelling = task, due, task.cancelling()
        return task.get_loop()

    def seconds_left(self, now: float) -> float:
        """Until it is due; below zero afterwards."""
        return self._due - now

    def expire(self) -> None:
        """Its time is over: what it awaits is cancelled."""
        self.expired = True
        self._task.cancel()

    def ended(self, error: BaseException | None) -> bool:
        """Whether an expired call ends for that reason; asked once at its end, with what it raised.

        False when others cancel the task as well: then the task has to end, whatever the time.
        """
        others = self._task.uncancel() > self._cancelling
        if error is None or isinstance(error, Exception):
            return True  # it has made something else of its cancellation, but too late
        return isinstance(error, asyncio.CancelledError) and not others


class UnderWay:
    """All have the same time, so they come due in the order in which they began, which is that of a dict.

    One task that waits for the oldest thus stands for a timer each, which would cost more than all else that
    a breaker does. It ends when it wakes and finds nothing to wait for.
    """

    def __init__(self, timeout_seconds: float | None, clock: Clock) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._now = clock.monotonic
        self.calls: dict[TimedCall, None] = {}
        self._watch: asyncio.Task[None] | None = None
        self._watched: asyncio.AbstractEventLoop | None = None

    def begin(self, call: TimedCall) -> None:
        """A call begins."""
        if self._timeout_seconds is not None:
            loop = call.begin(self._now() + self._timeout_seconds)
            if loop is not self._watched:
                # In a context of its own: it isn't a part of the call that happens to be the first.
                self._watch = loop.create_task(
                    self._end_in_time(loop, self._timeout_seconds), name="breaker timeouts", context=Context()
                )
                self._watched = loop
        self.calls[call] = None

    def end(self, call: TimedCall) -> None:
        """It has ended, however."""
        del self.calls[call]

    async def _end_in_time(self, loop: asyncio.AbstractEventLoop, first_seconds: float) -> None:
        # Sleeping comes first: calls that never wait don't make a task each.
        seconds: float | None = first_seconds
        try:
            while seconds is not None:
                await self._clock.sleep(seconds)
                seconds = self._expire(self._now())
        finally:
            if self._watched is loop:
                self._watched = None

    def _expire(self, now: float) -> float | None:
        """End what is due; returns how many seconds the next has, None when there is no other."""
        for call in list(self.calls):
            if not call.expired:
                left = call.seconds_left(now)
                if left > 0:
                    return left
                call.expire()
        return None
