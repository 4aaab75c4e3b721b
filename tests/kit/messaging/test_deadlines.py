"""One timer bounds many pieces of work, by the rules of `asyncio.timeout`."""

import asyncio

import pytest

from workbook_lib.kit.messaging.deadlines import Deadlines


async def test_work_that_takes_too_long_is_cut_off_and_the_rest_is_not() -> None:
    deadlines = Deadlines()
    may_go = asyncio.Event()

    async def work(seconds: float) -> str:
        with deadlines.within(seconds):
            await may_go.wait()
        return "done"

    patient = [asyncio.create_task(work(60)) for _ in range(3)]
    hasty = [asyncio.create_task(work(seconds)) for seconds in (0.05, 0.02)]
    outcomes = await asyncio.gather(*hasty, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError, TimeoutError]
    assert not any(task.done() for task in patient)
    may_go.set()
    assert await asyncio.gather(*patient) == ["done"] * 3


async def test_a_deadline_is_kept_after_others_have_come_and_gone() -> None:
    deadlines = Deadlines()
    for _ in range(100):
        with deadlines.within(0.01):
            await asyncio.sleep(0)
    await asyncio.sleep(0.03)
    with pytest.raises(TimeoutError), deadlines.within(0.01):
        await asyncio.Event().wait()
    assert not deadlines.open


async def test_an_error_passes_as_it_is() -> None:
    deadlines = Deadlines()
    with pytest.raises(ZeroDivisionError), deadlines.within(60):
        raise ZeroDivisionError
    assert not deadlines.open


async def test_who_is_cancelled_by_another_is_cancelled_and_not_late() -> None:
    deadlines = Deadlines()
    begun = asyncio.Event()

    async def work() -> None:
        with deadlines.within(60):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_and_late_at_the_same_time_is_cancelled() -> None:
    deadlines = Deadlines()

    async def work() -> None:
        with deadlines.within(0):
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
