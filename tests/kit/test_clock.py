"""Time that tests move by hand."""

import asyncio
from datetime import UTC

from workbook_lib.kit.clock import SYSTEM_CLOCK, ManualClock


async def test_a_manual_clock_stands_still_until_it_is_advanced():
    clock = ManualClock()
    before = clock.now()
    await clock.advance(90)
    assert clock.monotonic() == 90
    assert (clock.now() - before).total_seconds() == 90
    assert clock.now().tzinfo is UTC


async def test_advancing_wakes_sleepers_in_the_order_of_their_time_each_at_its_own_time():
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        for name, seconds in (("late", 3), ("early", 1), ("second", 1)):
            tasks.create_task(sleeper(name, seconds))
        await clock.advance(2)
        assert clock.sleeping == 1
        await clock.advance(2)
    assert woken == [("early", 1), ("second", 1), ("late", 3)]


async def test_a_task_that_sleeps_again_and_again_is_woken_each_time_within_one_advance():
    clock = ManualClock()
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(ticker())
    await clock.advance(3.5)
    task.cancel()
    assert ticks == [1, 2, 3]


async def test_a_cancelled_sleeper_is_forgotten():
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.advance(0)
    task.cancel()
    await clock.advance(5)
    assert clock.sleeping == 0
    assert task.cancelled()


async def test_the_system_clock_is_aware_monotonic_and_lets_others_run():
    before = SYSTEM_CLOCK.monotonic()
    await SYSTEM_CLOCK.sleep(0)
    assert SYSTEM_CLOCK.monotonic() >= before
    assert SYSTEM_CLOCK.now().utcoffset().total_seconds() == 0


async def test_sleeping_for_nothing_only_yields():
    clock = ManualClock()
    await clock.sleep(0)
    assert clock.monotonic() == 0
