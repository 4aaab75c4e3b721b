"""Rules of "Discovery" for blocking queries, on a clock that the test moves.

"Index kept, reset if it goes backwards, at least 1; errors back off with jitter and never loop hot."
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

import pytest

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.consul import Answer, ConsulError, watch


class Scripted:
    """Answers a watch from a script of indexes and errors, then blocks as a quiet Consul does."""

    def __init__(self, script: Iterable[int | ConsulError], clock: ManualClock) -> None:
        self._script = iter(script)
        self._clock = clock
        self.asked: list[tuple[int, float]] = []
        self.times: list[float] = []

    async def __call__(self, index: int, wait_seconds: float) -> Answer[str]:
        self.asked.append((index, wait_seconds))
        self.times.append(self._clock.monotonic())
        for outcome in self._script:
            if isinstance(outcome, ConsulError):
                raise outcome
            return Answer(f"as of {outcome}", outcome)
        await asyncio.Event().wait()
        raise AssertionError


@contextlib.asynccontextmanager
async def following(ask: Scripted, clock: ManualClock) -> AsyncIterator[list[str]]:
    seen: list[str] = []

    async def follow() -> None:
        backoff = Backoff(1.0, 8.0, jitter=lambda low, high: high)
        async with aclosing(watch(ask, wait_seconds=10, clock=clock, backoff=backoff)) as answers:
            async for answer in answers:
                seen.append(answer)  # noqa: PERF401 - the watch has no end

    task = asyncio.create_task(follow())
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def indexes_asked(script: list[int | ConsulError]) -> list[int]:
    clock = ManualClock()
    ask = Scripted(script, clock)
    async with following(ask, clock):
        await clock.advance(60)
    return [index for index, _ in ask.asked]


async def test_the_index_of_each_answer_is_asked_with_next() -> None:
    assert await indexes_asked([7, 9, 12]) == [0, 7, 9, 12]


async def test_an_index_that_goes_backwards_is_reset() -> None:
    assert await indexes_asked([100, 3, 4]) == [0, 100, 0, 4]


async def test_an_index_of_zero_is_taken_as_one_so_that_the_next_query_blocks() -> None:
    assert await indexes_asked([0, 0]) == [0, 1, 1]


async def test_after_a_failure_the_watch_begins_anew() -> None:
    assert await indexes_asked([5, ConsulError("away"), 2]) == [0, 5, 0, 2]


async def test_every_query_asks_for_the_same_wait() -> None:
    clock = ManualClock()
    ask = Scripted([1, 2], clock)
    async with following(ask, clock) as seen:
        await clock.advance(5)
        assert seen == ["as of 1", "as of 2"]
    assert {wait for _, wait in ask.asked} == {10}


async def test_failures_back_off_by_doubling_to_a_limit_and_a_success_starts_over() -> None:
    clock = ManualClock()
    away = [ConsulError("away")] * 5
    ask = Scripted([*away, 1, ConsulError("away"), 2], clock)
    async with following(ask, clock):
        await clock.advance(100)
    pauses = [round(after - before, 2) for before, after in zip(ask.times, ask.times[1:], strict=False)]
    assert pauses == [1, 2, 4, 8, 8, 0.1, 1, 0.1]


async def test_answers_that_come_at_once_never_make_a_hot_loop() -> None:
    clock = ManualClock()
    ask = Scripted([5] * 1000, clock)
    async with following(ask, clock):
        await clock.advance(2)
    assert len(ask.asked) <= 21


def test_the_jitter_spreads_each_pause_between_half_and_all_of_its_length() -> None:
    bounds: list[tuple[float, float]] = []

    def record(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    backoff = Backoff(0.5, 3.0, jitter=record)
    assert [backoff.next() for _ in range(4)] == [0.25, 0.5, 1.0, 1.5]
    assert bounds == [(0.25, 0.5), (0.5, 1.0), (1.0, 2.0), (1.5, 3.0)]
    assert all(0.25 <= Backoff(0.5, 3.0).next() <= 0.5 for _ in range(100))


def test_a_success_makes_the_next_pause_short_again() -> None:
    backoff = Backoff(1.0, 8.0, jitter=lambda low, high: high)
    assert [backoff.next(), backoff.next()] == [1, 2]
    backoff.reset()
    assert backoff.next() == 1


async def test_what_is_no_failure_of_consul_ends_the_watch() -> None:
    async def broken(index: int, wait_seconds: float) -> Answer[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await anext(watch(broken))
