"""Limits in a real Redis: exact under concurrency, on Redis' clock, and what happens while it is away."""

import asyncio
import contextlib
import json

import pytest

from workbook_lib.kit import logs
from workbook_lib.kit.cache import Cache, CacheError
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import TooManyRequests
from workbook_lib.kit.limits import (
    Quota,
    SharedConcurrency,
    SharedSlidingWindow,
    SharedTokenBucket,
    SlidingWindow,
    TokenBucket,
    WithFallback,
)

TEN_AN_HOUR = Quota("default", 10, 3600)
KINDS = [SharedTokenBucket, SharedSlidingWindow]


@pytest.fixture
async def cache(redis_url, namespace):
    cache = Cache(redis_url, namespace=namespace, timeout_seconds=10)
    await cache.start()
    yield cache
    await cache.stop()


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_of_many_at_once_through_several_instances_exactly_the_quota_is_allowed(
    kind, redis_url, namespace, redis
):
    caches = [Cache(redis_url, namespace=namespace, timeout_seconds=10) for _ in range(4)]
    for cache in caches:
        await cache.start()
    limiters = [kind(cache, TEN_AN_HOUR) for cache in caches]
    decisions = await asyncio.gather(*(limiter.take("a") for limiter in limiters for _ in range(50)))
    assert sum(decision.allowed for decision in decisions) == 10
    assert sorted(decision.remaining for decision in decisions if decision.allowed) == list(range(10))
    for cache in caches:
        await cache.stop()


@pytest.mark.server
@pytest.mark.parametrize(
    ("shared", "local"), [(SharedTokenBucket, TokenBucket), (SharedSlidingWindow, SlidingWindow)]
)
async def test_it_decides_as_the_local_one_does(shared, local, cache, redis):
    """Within the seconds that the two sequences may lie apart."""
    one, other = shared(cache, TEN_AN_HOUR), local(TEN_AN_HOUR, clock=ManualClock())
    for _ in range(12):
        here, there = await one.take("a"), await other.take("a")
        assert (here.allowed, here.remaining, here.quota) == (there.allowed, there.remaining, there.quota)
        assert here.retry_after_seconds == pytest.approx(there.retry_after_seconds, abs=30)
        assert here.reset_seconds == pytest.approx(there.reset_seconds, abs=30)


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_waits_as_told_is_allowed(kind, cache, redis):
    """By Redis' clock, so the waiting is real."""
    limiter = kind(cache, Quota("fast", 20, 1))
    while (decision := await limiter.take("a")).allowed:
        pass
    assert 0 < decision.retry_after_seconds <= 1
    await asyncio.sleep(decision.retry_after_seconds)
    assert (await limiter.take("a")).allowed


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_redis_forgets_a_key_when_its_quota_is_whole_again(kind, cache, redis, namespace):
    limiter = kind(cache, TEN_AN_HOUR)
    await limiter.take("a")
    (key,) = await redis.keys(f"{namespace}:*")
    whole_in = 360 if kind is SharedTokenBucket else 3600
    assert whole_in - 30 < await redis.ttl(key) <= whole_in + 1


@pytest.mark.server
async def test_a_window_remembers_no_more_than_its_limit(cache, redis, namespace):
    limiter = SharedSlidingWindow(cache, TEN_AN_HOUR)
    for _ in range(30):
        await limiter.take("a")
    (key,) = await redis.keys(f"{namespace}:*")
    assert await redis.llen(key) == 10


@pytest.mark.server
async def test_quotas_and_keys_do_not_mix(cache, redis):
    login, general = (SharedTokenBucket(cache, Quota(name, 1, 3600)) for name in ("login", "general"))
    assert [(await limiter.take(key)).allowed for limiter in (login, general) for key in ("a", "b", "a")] == [
        True,
        True,
        False,
    ] * 2


def test_a_quota_that_redis_cannot_count_exactly_is_refused():
    with pytest.raises(ValueError, match="exactly"):
        SharedTokenBucket(Cache("redis://127.0.0.1:1/0", namespace="t"), Quota("huge", 10**8, 86_400))


@pytest.mark.server
async def test_places_are_shared_and_a_crashed_holders_place_comes_back(cache, redis):
    limit = SharedConcurrency(cache, 2, lease_seconds=60)
    async with limit.hold("a"), limit.hold("a"), limit.hold("b"):
        with pytest.raises(TooManyRequests):
            async with limit.hold("a"):
                pass
    with pytest.raises(RuntimeError):
        async with limit.hold("a"):
            raise RuntimeError
    crashed = SharedConcurrency(cache, 2, lease_seconds=5)
    async with contextlib.AsyncExitStack() as holders:  # nobody else keeps them, and they'd end at once
        for _ in range(2):
            await holders.enter_async_context(crashed.hold("a"))
        with pytest.raises(TooManyRequests):
            await limit.hold("a").__aenter__()
        await asyncio.sleep(5.1)  # by Redis' clock
        async with limit.hold("a"), limit.hold("a"):
            pass


class Switchable:
    """A shared limiter whose Redis can be taken away."""

    def __init__(self, clock):
        self.quota = TEN_AN_HOUR
        self.away = False
        self.tries = 0
        self._limiter = TokenBucket(self.quota, clock=clock)

    async def take(self, key):
        self.tries += 1
        await asyncio.sleep(0)
        if self.away:
            raise CacheError("Redis is away")
        return await self._limiter.take(key)


async def test_without_redis_each_instance_counts_for_itself_and_says_so_once(capsys):
    logs.configure("demo", "demo-1")
    clock = ManualClock()
    shared = Switchable(clock)
    limiter = WithFallback(shared, TokenBucket(TEN_AN_HOUR, clock=clock), retry_seconds=1, clock=clock)
    assert limiter.quota == TEN_AN_HOUR
    assert (await limiter.take("a")).remaining == 9

    shared.away = True
    decisions = await asyncio.gather(*(limiter.take("a") for _ in range(30)))
    assert sum(decision.allowed for decision in decisions) == 10

    tries = shared.tries
    for _ in range(10):
        await limiter.take("a")
    assert shared.tries == tries  # nobody waits for it meanwhile
    await clock.advance(1)
    await asyncio.gather(*(limiter.take("a") for _ in range(10)))
    assert shared.tries == tries + 1

    shared.away = False
    await clock.advance(1)
    assert (await limiter.take("a")).remaining == 8  # what was counted in Redis is still there
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["rate limit counted locally", "rate limit shared again"]


async def test_a_redis_that_is_away_is_an_error_of_the_shared_limit_alone():
    cache = Cache("redis://127.0.0.1:1/0", namespace="t")
    await cache.start()
    with pytest.raises(CacheError):
        await SharedTokenBucket(cache, TEN_AN_HOUR).take("a")
    fallback = WithFallback(SharedTokenBucket(cache, TEN_AN_HOUR), TokenBucket(TEN_AN_HOUR))
    assert (await fallback.take("a")).remaining == 9
    await cache.stop()
