"""Cancelled at any await, or out of time: no place is kept, no probe stuck, none of others lost."""

import asyncio
import contextlib

import pytest

from tests.kit.breaker.conftest import fails, hangs, ok
from workbook_lib.kit import errors
from workbook_lib.kit.breaker import Breaker, BreakerOpen, BreakerSettings
from workbook_lib.kit.clock import ManualClock

AWAITS = 3


async def slowly(error: Exception | None) -> str:
    for _ in range(AWAITS):
        await asyncio.sleep(0)
    if error:
        raise error
    return "slowly"


async def instead(error: Exception) -> str:
    return await slowly(None)


@pytest.mark.parametrize("probe", [False, True], ids=["closed", "half-open"])
@pytest.mark.parametrize("error", [None, ConnectionError("gone")], ids=["success", "failure"])
@pytest.mark.parametrize("fallback", [None, instead], ids=["bare", "with a fallback"])
async def test_cancelled_at_every_await(probe, error, fallback):
    steps = 0
    while await cancelled_after(steps, probe=probe, error=error, fallback=fallback):
        steps += 1
    assert steps == 1 + AWAITS * (2 if error and fallback else 1)  # each await has had its turn


async def cancelled_after(steps, *, probe, error, fallback) -> bool:
    """Whether the call could be cancelled after so many steps; what must hold then is asserted."""
    clock = ManualClock()
    breaker = Breaker("x", BreakerSettings(request_volume_threshold=1), clock=clock)
    if probe:
        with pytest.raises(ConnectionError):
            await breaker.call(fails)
        await clock.advance(6)
    before = sum(breaker.snapshot().totals.model_dump().values())
    task = asyncio.create_task(breaker.call(slowly, error, fallback=fallback))
    for _ in range(steps):
        await asyncio.sleep(0)
    if not (cancelled := task.cancel()):
        await asyncio.wait([task])
    (raised,) = await asyncio.gather(task, return_exceptions=True)
    if cancelled:
        assert isinstance(raised, asyncio.CancelledError)
    if steps:  # a task that never ran has counted nothing
        expected = 2 if fallback and error and not cancelled else 1
        assert sum(breaker.snapshot().totals.model_dump().values()) == before + expected
    assert breaker.in_flight == 0
    await clock.advance(6)
    assert breaker.admits
    assert await breaker.call(ok) == "ok"
    assert breaker.state == "closed"
    return cancelled


async def test_a_call_that_is_closed_instead_of_awaited_gives_its_place_back(clock):
    breaker = Breaker("x", BreakerSettings(timeout_seconds=None, request_volume_threshold=1), clock=clock)
    with pytest.raises(ConnectionError):
        await breaker.call(fails)
    await clock.advance(6)
    coroutine = breaker.call(hangs)
    coroutine.send(None)
    assert (breaker.state, breaker.in_flight) == ("half-open", 1)
    coroutine.close()
    assert (breaker.in_flight, breaker.admits) == (0, True)


async def test_each_call_ends_at_its_own_time_whatever_the_others_do(breaker, clock):
    """One timer for all: it must be right for calls that end early, late, or not at all."""
    ended: dict[int, float] = {}

    async def hang(number: int) -> None:
        with pytest.raises(errors.DeadlineExceeded, match=r"users: no answer in 1\.0 s"):
            await breaker.call(hangs)
        ended[number] = clock.monotonic()

    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(hang(number))
            await breaker.call(ok)
            if number == 4:
                await clock.advance(3)  # all before are gone, and the timer with them
            await clock.advance(0.25)
        await clock.advance(2)
    began = [0, 0.25, 0.5, 0.75, 1.0, 4.25, 4.5, 4.75]
    assert ended == {number: at + 1 for number, at in enumerate(began)}


async def test_a_call_that_is_still_tidying_up_is_not_cancelled_again_when_the_next_is_due(breaker, clock):
    tidied = []

    async def tidy() -> None:
        try:
            await hangs()
        finally:
            await clock.sleep(2)
            tidied.append(clock.monotonic())

    first = asyncio.create_task(breaker.call(tidy))
    await clock.advance(0.5)
    second = asyncio.create_task(breaker.call(hangs))
    await clock.advance(1)
    assert (first.done(), second.done(), breaker.in_flight) == (False, True, 1)  # its place is taken still
    await clock.advance(1.5)
    ended = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(error) for error in ended] == [errors.DeadlineExceeded] * 2
    assert tidied == [3]


async def test_a_cancellation_by_others_is_theirs_even_when_the_time_is_over_as_well(breaker, clock):
    tidying = asyncio.Event()

    async def tidy() -> None:
        try:
            await hangs()
        finally:
            tidying.set()
            await hangs()

    task = asyncio.create_task(breaker.call(tidy, fallback=lambda error: "instead"))
    await asyncio.sleep(0)
    await clock.advance(1)
    await tidying.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.snapshot().totals.cancelled == 1


async def test_what_comes_after_the_time_is_over_comes_too_late(breaker, clock):
    """A function that swallows its cancellation: its answer or error is discarded, as Hystrix does."""

    async def swallows(error: Exception | None) -> str:
        try:
            await hangs()
        except asyncio.CancelledError:
            if error:
                raise error from None
        return "late"

    for error in (None, errors.NotFound("late")):
        task = asyncio.create_task(breaker.call(swallows, error))
        await asyncio.sleep(0)
        await clock.advance(1)
        with pytest.raises(errors.DeadlineExceeded):
            await task
        assert task.cancelling() == 0
    assert breaker.snapshot().totals.timeout == 2


async def test_a_task_goes_on_after_a_timeout_as_if_it_had_never_been_cancelled(breaker, clock):
    async def patient() -> str:
        with pytest.raises(errors.DeadlineExceeded):
            await breaker.call(hangs)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            return await tasks.create_task(ok())

    task = asyncio.create_task(patient())
    await asyncio.sleep(0)
    await clock.advance(1)
    assert await task == "ok"


@pytest.mark.parametrize(("outer", "inner", "ends"), [(1, 2, "outer"), (2, 1, "inner"), (1, 1, "outer")])
async def test_of_two_breakers_around_each_other_the_one_whose_time_is_over_says_so(
    outer, inner, ends, clock
):
    first = Breaker("outer", BreakerSettings(timeout_seconds=outer), clock=clock)
    second = Breaker("inner", BreakerSettings(timeout_seconds=inner), clock=clock)
    task = asyncio.create_task(first.call(second.call, hangs))
    await asyncio.sleep(0)
    await clock.advance(1)
    with pytest.raises(errors.DeadlineExceeded, match=ends):
        await task
    counted = second.snapshot().totals
    assert (counted.timeout, counted.cancelled) == ((1, 0) if ends == "inner" else (0, 1))


async def test_a_breaker_outlives_the_loop_that_it_began_in():
    """Each cell of a script that calls asyncio.run has a loop of its own."""
    breaker = Breaker("x", BreakerSettings(timeout_seconds=0.01, request_volume_threshold=2))

    async def one_call() -> None:
        with pytest.raises(errors.DeadlineExceeded):
            await breaker.call(hangs)

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, one_call())
    assert breaker.state == "open"
    with pytest.raises(BreakerOpen):
        await breaker.call(ok)


def test_a_loop_that_was_closed_under_it_takes_no_timeout_along():
    breaker = Breaker("x", BreakerSettings(timeout_seconds=0.05))
    for function, ends in ((ok, None), (hangs, errors.DeadlineExceeded)):
        loop = asyncio.new_event_loop()  # nobody cancels what is left in it, as asyncio.run would
        with pytest.raises(ends) if ends else contextlib.nullcontext():
            loop.run_until_complete(asyncio.wait_for(breaker.call(function), 30))
        loop.close()


async def test_a_timeout_needs_a_task_to_cancel_and_who_has_none_takes_no_place(touchy, clock):
    with pytest.raises(ConnectionError):
        await touchy.call(fails)
    await clock.advance(6)
    tried = asyncio.Event()

    def in_a_callback() -> None:
        with pytest.raises(RuntimeError, match="in a task"), touchy.guard():
            pytest.fail("nobody could end this in time")
        tried.set()

    asyncio.get_running_loop().call_soon(in_a_callback)
    await tried.wait()
    assert touchy.in_flight == 0
    assert await touchy.call(ok) == "ok"
