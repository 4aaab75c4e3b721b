"""Each rule of the circuit breaker by itself, on a clock that the test moves."""

import asyncio
import math

import pytest
from pydantic import ValidationError

from tests.kit.breaker.conftest import fails, hangs, ok
from workbook_lib.kit import errors
from workbook_lib.kit.breaker import Breaker, BreakerFull, BreakerOpen, BreakerSettings, callers_own
from workbook_lib.kit.clock import ManualClock


async def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            await breaker.call(fails)


async def succeed(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        assert await breaker.call(ok) == "ok"


def path(breaker: Breaker) -> list[str]:
    return [change.after for change in breaker.history]


def test_the_defaults_are_hystrixs():
    assert BreakerSettings().model_dump() == {
        "timeout_seconds": 1.0,
        "max_concurrent": 100,
        "request_volume_threshold": 20,
        "sleep_window_seconds": 5.0,
        "error_threshold_percent": 50,
        "window_seconds": 10.0,
        "window_buckets": 10,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_seconds": 0},
        {"timeout_seconds": math.inf},
        {"max_concurrent": 0},
        {"request_volume_threshold": 0},
        {"sleep_window_seconds": -1},
        {"error_threshold_percent": 0},
        {"error_threshold_percent": 101},
        {"window_seconds": 0},
        {"window_buckets": 0},
        {"timeout": 1},
    ],
)
def test_settings_without_a_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        BreakerSettings(**wrong)


async def test_it_passes_arguments_and_answers_on(breaker):
    async def add(one: int, *, other: int) -> int:
        return one + other

    assert await breaker.call(add, 1, other=2) == 3


async def test_it_opens_at_the_volume_threshold_and_not_one_call_earlier(breaker):
    await fail(breaker, 19)
    assert breaker.state == "closed"
    await fail(breaker)
    assert breaker.state == "open"
    assert breaker.history[-1].reason == "20 of 20 calls in the window were errors"


async def test_it_opens_at_the_error_threshold_and_not_one_error_earlier(breaker):
    await succeed(breaker, 20)
    await fail(breaker, 19)
    assert breaker.state == "closed"  # 19 of 39 are less than half
    await fail(breaker)
    assert breaker.state == "open"


async def test_a_success_can_be_the_call_that_makes_the_volume(breaker):
    await fail(breaker, 10)
    await succeed(breaker, 9)
    assert breaker.state == "closed"
    await succeed(breaker)
    assert breaker.state == "open"


async def test_failures_timeouts_and_rejections_are_errors(clock):
    settings = BreakerSettings(request_volume_threshold=3, error_threshold_percent=100, max_concurrent=1)
    breaker = Breaker("users", settings, clock=clock)
    await fail(breaker)
    hanging = asyncio.create_task(breaker.call(hangs))
    await asyncio.sleep(0)
    with pytest.raises(BreakerFull):
        await breaker.call(ok)
    assert breaker.state == "closed"
    await clock.advance(1)
    with pytest.raises(errors.DeadlineExceeded):
        await hanging
    assert breaker.state == "open"
    window = breaker.snapshot().window
    assert (window.failure, window.timeout, window.rejected) == (1, 1, 1)


async def test_the_window_rolls_and_is_never_emptied_at_once(breaker, clock):
    """An outage across what would be the edge of a fixed window: 10 errors before it, 10 behind it."""
    await clock.advance(9)
    await fail(breaker, 10)
    await clock.advance(2)
    await fail(breaker, 10)
    assert breaker.state == "open"


async def test_a_call_counts_for_more_than_nine_and_at_most_ten_seconds(breaker, clock):
    await clock.advance(0.5)
    await fail(breaker, 10)
    await clock.advance(9.25)
    assert breaker.snapshot().window.calls == 10
    await clock.advance(0.25)
    assert breaker.snapshot().window.calls == 0
    await fail(breaker, 19)
    assert breaker.state == "closed"


async def test_an_open_breaker_refuses_at_once_and_says_for_how_long(touchy, clock):
    await fail(touchy)
    await clock.advance(1.5)
    with pytest.raises(BreakerOpen) as caught:
        await touchy.call(lambda: pytest.fail("an open breaker asks nobody"))
    assert caught.value.retry_after_seconds == 3.5
    assert caught.value.headers["Retry-After"] == "4"
    assert caught.value.status == 503
    assert touchy.snapshot().retry_after_seconds == 3.5
    assert not touchy.admits


async def test_who_comes_back_as_told_is_let_through(touchy, clock):
    await fail(touchy)
    with pytest.raises(BreakerOpen) as caught:
        await touchy.call(ok)
    await clock.advance(float(caught.value.headers["Retry-After"]))
    await succeed(touchy)


async def test_refused_calls_are_counted_apart_and_never_as_errors(touchy):
    await fail(touchy)
    for _ in range(5):
        with pytest.raises(BreakerOpen):
            await touchy.call(ok)
    told = touchy.snapshot()
    assert (told.totals.short_circuited, told.totals.failure) == (5, 1)
    assert (told.window.calls, told.window.errors) == (1, 1)


async def test_one_probe_goes_through_after_more_than_the_sleep_window(touchy, clock):
    await fail(touchy)
    await clock.advance(5)
    with pytest.raises(BreakerOpen):
        await touchy.call(ok)
    await clock.advance(1 / 1024)
    assert touchy.admits
    await succeed(touchy)
    assert path(touchy) == ["open", "half-open", "closed"]


async def half_open(breaker: Breaker, clock: ManualClock) -> asyncio.Task[str]:
    await fail(breaker)
    await clock.advance(5.5)
    probe = asyncio.create_task(breaker.call(hangs))
    await asyncio.sleep(0)
    assert breaker.state == "half-open"
    return probe


async def test_while_the_probe_is_out_all_others_are_refused(touchy, clock):
    probe = await half_open(touchy, clock)
    assert not touchy.admits
    for _ in range(3):
        with pytest.raises(BreakerOpen):
            await touchy.call(ok)
    assert touchy.in_flight == 1
    probe.cancel()


async def test_a_probe_that_succeeds_closes_it_with_a_cleared_window(clock):
    breaker = Breaker("users", BreakerSettings(request_volume_threshold=4), clock=clock)
    await fail(breaker, 4)
    await clock.advance(5.5)
    assert breaker.snapshot().window.errors == 4
    await succeed(breaker)
    assert breaker.snapshot().window.calls == 0
    await fail(breaker, 3)
    assert breaker.state == "closed"


async def test_a_probe_that_fails_opens_it_and_the_sleep_window_begins_anew(touchy, clock):
    await fail(touchy)
    await clock.advance(5.5)
    await fail(touchy)
    assert path(touchy) == ["open", "half-open", "open"]
    await clock.advance(5)
    with pytest.raises(BreakerOpen):
        await touchy.call(ok)


async def test_a_probe_that_takes_too_long_opens_it_again(touchy, clock):
    probe = await half_open(touchy, clock)
    await clock.advance(1)
    with pytest.raises(errors.DeadlineExceeded):
        await probe
    assert touchy.state == "open"
    assert touchy.snapshot().retry_after_seconds == 5


async def test_a_cancelled_probe_gives_its_place_to_the_next_call(touchy, clock):
    probe = await half_open(touchy, clock)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    await succeed(touchy)
    assert touchy.state == "closed"


async def test_a_probe_that_finds_no_place_leaves_it_open(clock):
    """The calls that hung when it opened still hold all places: another one would be one too many."""
    settings = BreakerSettings(
        request_volume_threshold=1, max_concurrent=2, timeout_seconds=None, sleep_window_seconds=1
    )
    breaker = Breaker("users", settings, clock=clock)
    hanging = [asyncio.create_task(breaker.call(hangs)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(BreakerFull):
        await breaker.call(ok)
    assert breaker.state == "open"
    await clock.advance(1.5)
    with pytest.raises(BreakerFull):
        await breaker.call(ok)
    assert breaker.state == "open"
    for task in hanging:
        task.cancel()
    await asyncio.wait(hanging)
    await succeed(breaker)
    assert breaker.state == "closed"


async def test_a_late_result_changes_nothing_in_a_state_that_it_did_not_begin_in(touchy, clock):
    released = asyncio.Event()

    async def late(error: Exception | None) -> None:
        await released.wait()
        if error:
            raise error

    calls = [asyncio.create_task(touchy.call(late, error)) for error in (None, ConnectionError())]
    await asyncio.sleep(0)
    await fail(touchy)
    before = touchy.snapshot()
    released.set()
    await asyncio.gather(*calls, return_exceptions=True)
    after = touchy.snapshot()
    assert (after.state, after.window) == ("open", before.window)
    assert (after.totals.success, after.totals.failure) == (1, 2)  # they are counted, but decide nothing


async def test_the_callers_own_errors_count_neither_way(touchy):
    async def unknown() -> None:
        raise errors.NotFound("no such user")

    for _ in range(5):
        with pytest.raises(errors.NotFound):
            await touchy.call(unknown)
    told = touchy.snapshot()
    assert (told.state, told.window.calls, told.totals.ignored) == ("closed", 0, 5)


async def test_an_error_of_the_callers_own_closes_it_when_the_probe_ends_so(touchy, clock):
    """The callee has answered, and it is right."""

    async def unknown() -> None:
        raise errors.NotFound("no such user")

    await fail(touchy)
    await clock.advance(5.5)
    with pytest.raises(errors.NotFound):
        await touchy.call(unknown)
    assert touchy.state == "closed"


@pytest.mark.parametrize(
    ("status", "own"),
    [
        (400, True),
        (401, True),
        (404, True),
        (408, False),
        (409, True),
        (422, True),
        (429, False),
        (500, False),
    ],
)
def test_a_4xx_is_the_callers_own_unless_it_speaks_of_the_callee(status, own):
    assert callers_own(errors.of_status(status, "as told")) is own


async def test_what_is_ignored_can_be_chosen(clock):
    settings = BreakerSettings(request_volume_threshold=1)
    breaker = Breaker("x", settings, ignore=lambda error: isinstance(error, KeyError), clock=clock)

    async def missing() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await breaker.call(missing)
    assert breaker.state == "closed"


async def test_a_broken_ignore_predicate_is_told_of_and_keeps_nobodys_place(clock):
    broken = Breaker(
        "x", BreakerSettings(request_volume_threshold=1), ignore=lambda error: 1 / 0 > 0, clock=clock
    )
    await fail(broken)
    await clock.advance(5.5)
    await fail(broken)
    assert (broken.state, broken.in_flight) == ("open", 0)


async def test_one_call_too_many_is_rejected_at_once(breaker):
    hanging = [asyncio.create_task(breaker.call(hangs)) for _ in range(100)]
    await asyncio.sleep(0)
    assert breaker.in_flight == 100
    assert not breaker.admits
    with pytest.raises(BreakerFull, match="100 calls to users are under way") as caught:
        await breaker.call(lambda: pytest.fail("a full breaker asks nobody"))
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
    for task in hanging:
        task.cancel()
    await asyncio.wait(hanging)
    assert breaker.in_flight == 0


async def test_changes_of_state_are_told_as_they_happen(clock):
    told = []
    breaker = Breaker(
        "users", BreakerSettings(request_volume_threshold=1), clock=clock, listeners=[told.append]
    )
    await fail(breaker)
    assert [(change.name, change.before, change.after) for change in told] == [("users", "closed", "open")]
    await clock.advance(6)
    await succeed(breaker)
    assert list(breaker.history) == told
    assert [(change.at - told[0].at).total_seconds() for change in told] == [0, 6, 6]
    assert breaker.snapshot().changes == {"open": 1, "half-open": 1, "closed": 1}


async def test_a_listener_that_fails_is_no_business_of_the_call(clock):
    heard = []
    settings = BreakerSettings(request_volume_threshold=1)
    breaker = Breaker("x", settings, clock=clock, listeners=[lambda change: 1 / 0, heard.append])
    await fail(breaker)
    assert (breaker.state, len(heard)) == ("open", 1)


async def test_a_decorated_function_is_guarded_under_its_own_name(touchy):
    @touchy.protects(fallback=lambda error: f"instead of {type(error).__name__}")
    async def greet(name: str) -> str:
        """Say hello."""
        if not name:
            raise ConnectionError
        return f"hello {name}"

    assert (greet.__name__, greet.__doc__) == ("greet", "Say hello.")
    assert await greet("Ann") == "hello Ann"
    assert await greet("") == "instead of ConnectionError"
    assert await greet(name="Ann") == "instead of BreakerOpen"


async def test_a_block_can_be_guarded_like_a_call(touchy):
    with pytest.raises(ConnectionError), touchy.guard() as guard:
        await fails()
    assert (guard.outcome, touchy.state) == ("failure", "open")
    with pytest.raises(BreakerOpen), touchy.guard():
        pytest.fail("an open breaker lets nobody in")
