"""Shadow traffic: the caller gets live's answer, whatever the shadow does."""

import asyncio

import pytest

from workbook_lib.kit.canary import Mirror, Tally
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import Unavailable


async def double(number: int) -> int:
    return 2 * number


def mirrored(shadow, **options) -> Mirror[int, int]:
    options = {"clock": ManualClock()} | options  # on which nothing is slow by itself
    return Mirror(double, shadow, same=lambda one, other: one == other, slow_seconds=0.2, **options)


async def test_the_caller_gets_lives_answer_and_differences_are_kept_with_their_questions() -> None:
    async def shadow(number: int) -> int:
        return 2 * number + (number == 3)

    mirror = mirrored(shadow)
    assert [await mirror(number) for number in range(5)] == [0, 2, 4, 6, 8]
    await mirror.finish()
    assert mirror.tallies == {"live": Tally(5), "shadow": Tally(5, {"wrong": 1})}
    assert mirror.different == [(3, 6, 7)]


async def test_a_shadow_that_fails_or_hangs_costs_the_caller_nothing() -> None:
    async def fails(_: int) -> int:
        raise ZeroDivisionError

    async def hangs(_: int) -> int:
        return await asyncio.Event().wait()

    for shadow in (fails, hangs):
        mirror = mirrored(shadow, timeout_seconds=0.01)
        assert await mirror(1) == 2
        await mirror.finish()
        assert mirror.tallies["shadow"] == Tally(1, {"failed": 1})


async def test_no_more_copies_are_under_way_than_may_be_and_stop_ends_them() -> None:
    async def hangs(_: int) -> int:
        return await asyncio.Event().wait()

    mirror = mirrored(hangs, most_under_way=2)
    assert [await mirror(number) for number in range(5)] == [0, 2, 4, 6, 8]
    assert mirror.dropped == 3
    await mirror.start()
    await mirror.stop()
    assert mirror.tallies["shadow"] == Tally()


async def test_a_slow_shadow_is_counted_as_slow_by_its_own_time() -> None:
    clock = ManualClock()

    async def slow(number: int) -> int:
        await clock.sleep(0.3)
        return 2 * number

    mirror = mirrored(slow, clock=clock)
    assert await mirror(1) == 2
    await clock.advance(0.3)
    await mirror.finish()
    assert mirror.tallies == {"live": Tally(1), "shadow": Tally(1, {"slow": 1})}


async def test_a_call_that_live_fails_is_its_callers_and_is_not_copied() -> None:
    async def unavailable(_: int) -> int:
        raise Unavailable("gone")

    mirror = Mirror(unavailable, double, same=lambda *_: True, slow_seconds=1)
    with pytest.raises(Unavailable):
        await mirror(1)
    await mirror.finish()
    assert mirror.tallies == {"live": Tally(1, {"failed": 1}), "shadow": Tally()}
