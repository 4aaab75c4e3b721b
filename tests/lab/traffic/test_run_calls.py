"""Any coroutine can be the call: so many in all, so many at a time, each outcome counted."""

import asyncio
import itertools

import pytest

from workbook_lib.kit.errors import NotFound, Unavailable
from workbook_lib.lab.traffic import run_calls


async def test_exactly_so_many_calls_are_made_so_many_at_a_time():
    under_way, most, made = 0, 0, 0

    async def call() -> None:
        nonlocal under_way, most, made
        under_way, made = under_way + 1, made + 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    result = await run_calls(call, calls=500, concurrency=7)
    assert (result.requests, made, most, result.failures) == (500, 500, 7, 0)


async def test_text_is_a_label_and_a_typed_error_is_a_failure_of_its_status():
    answers = itertools.cycle(["a", "b", Unavailable("gone"), NotFound("never was")])

    async def call() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    result = await run_calls(call, calls=8, concurrency=2)
    assert result.statuses == {200: 4, 404: 2, 503: 2}
    assert sorted(sample.label for sample in result.timeline if sample.ok) == ["a", "a", "b", "b"]
    assert result.reasons == {"503 Unavailable": 2, "404 NotFound": 2}


async def test_a_step_is_taken_while_calls_go_on():
    stopped = asyncio.Event()

    async def call() -> str:
        await asyncio.sleep(0.001)
        return "after" if stopped.is_set() else "before"

    async def stop() -> None:
        stopped.set()

    result = await run_calls(call, calls=300, concurrency=2, steps={"stopped": (0.05, stop)})
    assert {sample.label for sample in result.timeline} == {"before", "after"}


async def test_a_mistake_in_the_call_is_raised_as_it_is():
    async def call() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_calls(call, calls=5)


async def test_the_number_of_calls_is_bounded():
    with pytest.raises(ValueError, match="calls is 200001"):
        await run_calls(asyncio.Event().wait, calls=200_001)
