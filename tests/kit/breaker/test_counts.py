"""Exact counts, however many calls there are at once."""

import asyncio
from collections import Counter

from tests.kit.breaker.conftest import ok
from workbook_lib.kit import errors
from workbook_lib.kit.breaker import Breaker, BreakerOpen, BreakerSettings
from workbook_lib.kit.clock import ManualClock

CALLS, PLACES, ROUNDS = 10_000, 9_000, 10
CALLERS = 1_000


class Callee:
    """Every ninth call each hangs, or fails for some reason; the others are answered, a moment later."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.inside = self.most_inside = self.entered = 0

    async def answer(self, number: int) -> int:
        self.entered += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            self.waiting.append(asyncio.get_running_loop().create_future())
            await self.waiting[-1]
            match number % 9:
                case 0:
                    raise ConnectionError
                case 1:
                    raise errors.NotFound("the caller's own")
                case 2:
                    await asyncio.Event().wait()
                case 3:
                    await asyncio.sleep(0)
            return number
        finally:
            self.inside -= 1


async def test_ten_times_ten_thousand_concurrent_calls_are_counted_exactly():
    clock = ManualClock()
    settings = BreakerSettings(max_concurrent=PLACES, request_volume_threshold=10**9)
    breaker = Breaker("callee", settings, clock=clock)
    seen: Counter[str] = Counter()
    for _ in range(ROUNDS):
        seen += await _round(breaker, clock)
    expected = {
        "int": 5 * ROUNDS * PLACES // 9,
        "ConnectionError": ROUNDS * PLACES // 9,
        "NotFound": ROUNDS * PLACES // 9,
        "DeadlineExceeded": ROUNDS * PLACES // 9,
        "CancelledError": ROUNDS * PLACES // 9,
        "BreakerFull": ROUNDS * (CALLS - PLACES),
    }
    assert seen == expected
    told = breaker.snapshot()
    assert told.totals.model_dump() == {
        "success": seen["int"],
        "failure": seen["ConnectionError"],
        "timeout": seen["DeadlineExceeded"],
        "rejected": seen["BreakerFull"],
        "short_circuited": 0,
        "ignored": seen["NotFound"],
        "cancelled": seen["CancelledError"],
        "fallback_success": 0,
        "fallback_failure": 0,
    }
    assert (told.in_flight, told.state) == (0, "closed")
    assert await breaker.call(ok) == "ok"


async def _round(breaker: Breaker, clock: ManualClock) -> Counter[str]:
    """What the callers see when all come at once."""
    callee = Callee()
    tasks = [asyncio.create_task(breaker.call(callee.answer, number)) for number in range(CALLS)]
    await asyncio.sleep(0)
    assert breaker.in_flight == callee.inside == PLACES
    for task in tasks[4:PLACES:9]:
        task.cancel()
    for waiter in callee.waiting:
        if not waiter.done():
            waiter.set_result(None)
    await asyncio.sleep(0)
    await clock.advance(1)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert (callee.entered, callee.most_inside, callee.inside) == (PLACES, PLACES, 0)
    return Counter(type(answer).__name__ for answer in answers)


async def test_ten_thousand_calls_at_once_to_a_callee_that_is_down_reach_it_as_often_as_the_rules_allow():
    """Those that were on their way when it opened, and the 19 who were back before the twentieth error."""
    breaker = Breaker("down", BreakerSettings(max_concurrent=CALLS), clock=ManualClock())
    reached = 0

    async def down() -> None:
        nonlocal reached
        reached += 1
        await asyncio.sleep(0)
        raise ConnectionError

    async def caller() -> Counter[str]:
        answers: Counter[str] = Counter()
        for _ in range(CALLS // CALLERS):
            try:
                await breaker.call(down)
            except (ConnectionError, BreakerOpen) as error:
                answers[type(error).__name__] += 1
        return answers

    seen = sum(await asyncio.gather(*(caller() for _ in range(CALLERS))), Counter())
    assert reached == seen["ConnectionError"] == CALLERS + 19
    assert seen["BreakerOpen"] == breaker.snapshot().totals.short_circuited == CALLS - reached
