"""Shadow traffic: a copy of each call goes to another version, whose answer nobody gets."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from workbook_lib.kit.canary.model import FAILED, SLOW, WRONG, Tally
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock

__all__ = ["Mirror"]

T = TypeVar("T")
Q = TypeVar("Q")


class Mirror(Generic[Q, T]):
    """Answers by `live`, and asks `shadow` the same afterwards, without anybody waiting for it.

    Only for calls that change nothing. What the shadow does, fails or takes never reaches the caller: its
    error is counted, an answer for which `same(live's, its)` is false counts as wrong, and at most
    `most_under_way` copies are under way; one more is left out (`dropped`). A resource: `stop` ends them.
    """

    def __init__(
        self,
        live: Callable[[Q], Awaitable[T]],
        shadow: Callable[[Q], Awaitable[T]],
        *,
        same: Callable[[T, T], bool],
        slow_seconds: float,
        timeout_seconds: float = 2.0,
        most_under_way: int = 16,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.dropped = 0
        """How many calls were not copied, since enough copies were under way."""
        self.different: list[tuple[Q, T, T]] = []
        """Questions that were answered differently: the question, live's answer, the shadow's."""
        self._live = live
        self._shadow = shadow
        self._same = same
        self._slow_seconds = slow_seconds
        self._timeout_seconds = timeout_seconds
        self._most_under_way = most_under_way
        self._clock = clock
        self._tallies = {"live": Tally(), "shadow": Tally()}
        self._copies: set[asyncio.Task[None]] = set()

    async def __call__(self, question: Q) -> T:
        """Live's answer. Raises what live raises; such a call isn't copied."""
        began = self._clock.monotonic()
        try:
            answer = await self._live(question)
        except Exception:
            self._count("live", FAILED.name)
            raise
        self._count("live", SLOW.name if self._clock.monotonic() - began > self._slow_seconds else None)
        if len(self._copies) < self._most_under_way:
            copy = asyncio.create_task(self._copy(question, answer))
            self._copies.add(copy)
            copy.add_done_callback(self._copies.discard)
        else:
            self.dropped += 1
        return answer

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """The calls so far of `live` and `shadow`."""
        return dict(self._tallies)

    async def finish(self) -> None:
        """Wait for the copies under way, each at most as long as it may take."""
        await asyncio.gather(*self._copies)

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Give up the copies under way."""
        for copy in self._copies:
            copy.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    async def _copy(self, question: Q, answer: T) -> None:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                other = await self._shadow(question)
        except Exception:  # noqa: BLE001 - whatever it is, it's the shadow's affair alone
            self._count("shadow", FAILED.name)
            return
        if not self._same(answer, other):
            self.different.append((question, answer, other))
            self._count("shadow", WRONG.name)
        else:
            slow = self._clock.monotonic() - began > self._slow_seconds
            self._count("shadow", SLOW.name if slow else None)

    def _count(self, who: str, way: str | None) -> None:
        self._tallies[who] += Tally(1, {way: 1} if way else {})
