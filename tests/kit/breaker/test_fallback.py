"""What stands in for a call that gave no answer."""

import asyncio

import pytest

from tests.kit.breaker.conftest import fails, hangs, ok
from workbook_lib.kit import errors
from workbook_lib.kit.breaker import Breaker, BreakerFull, BreakerOpen, BreakerSettings, FallbackFailed


class Fallback:
    """Remembers why it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, error: Exception) -> str:
        self.asked.append(type(error).__name__)
        await asyncio.sleep(0)
        return "instead"


@pytest.fixture
def fallback() -> Fallback:
    return Fallback()


async def test_it_runs_once_on_failure_timeout_rejection_and_open(fallback, clock):
    settings = BreakerSettings(request_volume_threshold=3, error_threshold_percent=100, max_concurrent=1)
    breaker = Breaker("users", settings, clock=clock)
    hanging = asyncio.create_task(breaker.call(hangs, fallback=fallback))
    await asyncio.sleep(0)
    assert await breaker.call(ok, fallback=fallback) == "instead"
    await clock.advance(1)
    assert await hanging == "instead"
    assert await breaker.call(fails, fallback=fallback) == "instead"
    assert await breaker.call(ok, fallback=fallback) == "instead"
    assert fallback.asked == ["BreakerFull", "DeadlineExceeded", "ConnectionError", "BreakerOpen"]
    totals = breaker.snapshot().totals
    assert (totals.fallback_success, totals.fallback_failure) == (4, 0)


async def test_it_does_not_run_on_success_nor_on_an_error_of_the_callers_own(breaker, fallback):
    async def unknown() -> str:
        raise errors.NotFound("no such user")

    assert await breaker.call(ok, fallback=fallback) == "ok"
    with pytest.raises(errors.NotFound):
        await breaker.call(unknown, fallback=fallback)
    assert fallback.asked == []


async def test_it_does_not_run_for_a_caller_that_has_gone(breaker, fallback):
    task = asyncio.create_task(breaker.call(hangs, fallback=fallback))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fallback.asked == []


async def test_it_may_be_a_plain_function(breaker):
    assert await breaker.call(fails, fallback=lambda error: "at hand") == "at hand"


async def test_it_stands_for_the_answer_and_not_for_the_callees_health(touchy, fallback):
    await touchy.call(fails, fallback=fallback)
    assert touchy.state == "open"


async def test_its_own_failure_is_reported_with_the_first_cause(breaker):
    async def broken(error: Exception) -> str:
        raise LookupError("nothing stored")

    with pytest.raises(FallbackFailed, match=r"ConnectionError.*then its fallback: LookupError") as caught:
        await breaker.call(fails, fallback=broken)
    assert isinstance(caught.value.first, ConnectionError)
    assert caught.value.__cause__ is caught.value.failure
    assert caught.value.failure.__context__ is caught.value.first  # the traceback tells of both
    assert caught.value.status == 503
    totals = breaker.snapshot().totals
    assert (totals.failure, totals.fallback_success, totals.fallback_failure) == (1, 0, 1)


@pytest.mark.parametrize("refusal", [BreakerOpen, BreakerFull])
async def test_a_refusal_is_a_first_cause_like_any_other(refusal, clock):
    settings = BreakerSettings(request_volume_threshold=1, max_concurrent=1, timeout_seconds=None)
    breaker = Breaker("users", settings, clock=clock)
    if refusal is BreakerOpen:
        with pytest.raises(ConnectionError):
            await breaker.call(fails)
    hanging = asyncio.create_task(breaker.call(hangs, fallback=lambda error: "instead"))
    await asyncio.sleep(0)
    with pytest.raises(FallbackFailed) as caught:
        await breaker.call(ok, fallback=lambda error: 1 / 0)
    assert isinstance(caught.value.first, refusal)
    assert caught.value.failure.__context__ is caught.value.first
    hanging.cancel()
