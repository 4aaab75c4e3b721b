"""Limits in one process, on a clock that the test moves: exact counts."""

import asyncio

import pytest

from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import TooManyRequests
from workbook_lib.kit.limits import Concurrency, Quota, SlidingWindow, TokenBucket
from workbook_lib.kit.limits.states import States

TEN_A_MINUTE = Quota("default", 10, 60)


@pytest.fixture
def clock():
    return ManualClock()


async def allowed(limiter, key, tries):
    return sum([(await limiter.take(key)).allowed for _ in range(tries)])


@pytest.mark.parametrize("kind", [TokenBucket, SlidingWindow])
async def test_the_quota_is_allowed_at_once_and_not_one_more(kind, clock):
    assert await allowed(kind(TEN_A_MINUTE, clock=clock), "a", 25) == 10


@pytest.mark.parametrize("kind", [TokenBucket, SlidingWindow])
async def test_each_key_has_its_own_quota(kind, clock):
    limiter = kind(TEN_A_MINUTE, clock=clock)
    assert [await allowed(limiter, key, 15) for key in ("a", "b")] == [10, 10]


@pytest.mark.parametrize("kind", [TokenBucket, SlidingWindow])
@pytest.mark.parametrize(
    "quota", [TEN_A_MINUTE, Quota("odd", 7, 60), Quota("fast", 3, 1), Quota("slow", 1, 3600)]
)
async def test_whoever_waits_as_told_is_allowed_and_a_microsecond_earlier_is_not(kind, quota, clock):
    """In whole microseconds; with floating point the promised moment can come too early."""
    limiter = kind(quota, clock=clock)
    for _ in range(20):
        while (refused := await limiter.take("a")).allowed:
            pass
        await clock.advance(refused.retry_after_seconds - 1e-6)
        assert not (await limiter.take("a")).allowed
        await clock.advance(1e-6)
        assert (await limiter.take("a")).allowed


async def test_a_bucket_refills_evenly(clock):
    limiter = TokenBucket(TEN_A_MINUTE, clock=clock)
    assert await allowed(limiter, "a", 10) == 10
    assert (await limiter.take("a")).retry_after_seconds == 6
    await clock.advance(18)
    assert await allowed(limiter, "a", 10) == 3
    await clock.advance(10_000)
    assert await allowed(limiter, "a", 25) == 10


async def test_a_bucket_allows_up_to_twice_its_limit_in_one_window_and_a_sliding_window_never(clock):
    bucket, window = TokenBucket(TEN_A_MINUTE, clock=clock), SlidingWindow(TEN_A_MINUTE, clock=clock)
    counts = {bucket: 0, window: 0}
    for _ in range(60):
        for limiter in counts:
            counts[limiter] += await allowed(limiter, "a", 10)
        await clock.advance(0.999)
    assert counts == {bucket: 19, window: 10}


async def test_a_window_slides(clock):
    """The edge of a fixed window would let twenty through within two seconds."""
    limiter = SlidingWindow(TEN_A_MINUTE, clock=clock)
    await clock.advance(59)
    assert await allowed(limiter, "a", 15) == 10
    await clock.advance(2)
    assert await allowed(limiter, "a", 15) == 0
    await clock.advance(58)
    assert await allowed(limiter, "a", 15) == 10


@pytest.mark.parametrize("kind", [TokenBucket, SlidingWindow])
async def test_refused_requests_cost_nothing(kind, clock):
    limiter = kind(TEN_A_MINUTE, clock=clock)
    await allowed(limiter, "a", 10)
    for _ in range(59):
        await clock.advance(0.1)
        await allowed(limiter, "a", 20)
    await clock.advance(60)
    assert (await limiter.take("a")).allowed


@pytest.mark.parametrize("kind", [TokenBucket, SlidingWindow])
async def test_a_decision_says_what_is_left_and_when_all_is_back(kind, clock):
    limiter = kind(TEN_A_MINUTE, clock=clock)
    first = await limiter.take("a")
    assert (first.remaining, first.retry_after_seconds) == (9, 0)
    assert first.reset_seconds == (6 if kind is TokenBucket else 60)
    await allowed(limiter, "a", 9)
    refused = await limiter.take("a")
    assert (refused.remaining, refused.reset_seconds) == (0, 60)


@pytest.mark.parametrize("kind", [TokenBucket, SlidingWindow])
async def test_memory_is_bounded_whatever_keys_come(kind, clock):
    limiter = kind(Quota("default", 2, 60), clock=clock, max_keys=100)
    await allowed(limiter, "persistent", 3)
    for number in range(1000):
        await limiter.take(f"k{number}")
        assert not (await limiter.take("persistent")).allowed  # what keeps asking isn't forgotten


def test_the_key_that_is_forgotten_is_the_one_asked_for_longest_ago():
    states: States[int] = States(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        states.set(key, value)
    assert (states.get("a"), states.get("b"), states.get("c"), len(states)) == (3, None, 4, 2)


async def test_only_so_many_hold_a_place_at_once_and_the_next_is_refused_at_once():
    limit = Concurrency(3)
    go_on = asyncio.Event()

    async def work(fails):
        async with limit.hold("a"):
            await go_on.wait()
            if fails:
                raise RuntimeError

    holders = [asyncio.create_task(work(fails=number == 0)) for number in range(3)]
    await asyncio.sleep(0)
    for _ in range(5):
        with pytest.raises(TooManyRequests):
            async with limit.hold("a"):
                pass
    async with limit.hold("another key"):
        pass
    holders[1].cancel()
    await asyncio.sleep(0)
    async with limit.hold("a"):
        pass  # a cancelled holder has given its place back
    go_on.set()
    await asyncio.gather(*holders, return_exceptions=True)
    async with limit.hold("a"), limit.hold("a"), limit.hold("a"):
        pass


@pytest.mark.parametrize(("text", "quota"), [("600/60s", (600, 60)), ("1/3600s", (1, 3600))])
def test_a_quota_is_read_as_it_is_written(text, quota):
    assert Quota.read("login", text) == ("login", *quota)


def test_no_quota_is_no_limit():
    assert Quota.read("login", "") is None


@pytest.mark.parametrize(
    "text", ["600", "600/60", "0/60s", "5/0s", "-5/60s", "5 / 60s", "five/60s", "5/60s,"]
)
def test_what_is_no_quota_is_refused(text):
    with pytest.raises(ValueError, match="600/60s"):
        Quota.read("login", text)
