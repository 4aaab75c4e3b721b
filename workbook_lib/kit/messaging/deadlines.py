"""Bounds for many short pieces of work, by one timer between them."""

import asyncio
import math
from types import TracebackType

__all__ = ["Deadlines"]


class Deadlines:
    """`with deadlines.within(seconds):` raises TimeoutError as `asyncio.timeout` does, at a part of its cost.

    That makes and cancels a timer each time. Here one timer is armed for the first deadline that was set; by
    then most work is long done, and it is armed for the first of what is left. For one event loop.
    """

    def __init__(self) -> None:
        self.open: set[_Deadline] = set()
        self.loop = asyncio.get_running_loop()  # once: in Python 3.11 it is a system call
        self.rings_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> "_Deadline":
        """A bound for the body of one `with` statement, from now on."""
        return _Deadline(self, seconds)

    def arm(self, at: float) -> None:
        """Look at what is open at the loop's time `at`."""
        if self._timer is not None:
            self._timer.cancel()
        self.rings_at = at
        self._timer = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer, self.rings_at = None, math.inf
        now = self.loop.time()
        for deadline in [each for each in self.open if each.at <= now]:
            self.open.discard(deadline)
            deadline.expire()
        if self.open:
            self.arm(min(each.at for each in self.open))


class _Deadline:
    """The bound of one piece of work; after `asyncio.Timeout`, whose rules for cancelling it keeps."""

    __slots__ = ("_cancelling", "_deadlines", "_expired", "_seconds", "_task", "at")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        deadlines = self._deadlines
        loop = deadlines.loop
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can be bounded")
        self._task = task
        self._cancelling = task.cancelling()
        self.at = at = loop.time() + self._seconds
        deadlines.open.add(self)
        if at < deadlines.rings_at:
            deadlines.arm(at)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._deadlines.open.discard(self)
        # Cancelled by others at the same time: that goes on, and no timeout hides it.
        if (
            self._expired
            and self._task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from error

    def expire(self) -> None:
        """The time is up."""
        self._expired = True
        self._task.cancel()
