"""Time: the only `now`, `monotonic` and `sleep` that kit uses, so that tests move time themselves."""

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Where a component reads the time and waits."""

    def now(self) -> datetime:
        """The wall-clock time, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes backwards, so deadlines are measured with it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; cancelling is safe."""
        ...


class SystemClock:
    """The machine's clock and the running event loop's sleep."""

    def now(self) -> datetime:
        """The wall-clock time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of `time.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` without blocking the event loop."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


class ManualClock:
    """A clock that stands still until `advance`, for tests that take milliseconds instead of minutes."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_seconds = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The start plus everything advanced since."""
        return self._start + timedelta(seconds=self._elapsed_seconds)

    def monotonic(self) -> float:
        """Seconds advanced since the start."""
        return self._elapsed_seconds

    @property
    def sleeping(self) -> int:
        """How many callers wait in `sleep` now."""
        return sum(not waiter.done() for _, _, waiter in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by `seconds`; zero or less only lets others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_seconds + seconds, next(self._order), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Move time forward, stopping at each sleeper that comes due: it runs before the next is woken."""
        await self._settle()
        target = self._elapsed_seconds + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            self._elapsed_seconds, _, waiter = heapq.heappop(self._sleepers)
            if not waiter.done():
                waiter.set_result(None)
                await self._settle()
        self._elapsed_seconds = target

    @staticmethod
    async def _settle() -> None:
        # A woken task may wake others before it sleeps again; some turns of the loop let that run out.
        for _ in range(20):
            await asyncio.sleep(0)
