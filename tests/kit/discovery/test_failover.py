"""Rules for trying another instance: which, how often, how long; with the breaker of each instance."""

import asyncio
from collections import Counter

import pytest

from tests.kit.discovery.conftest import Known
from workbook_lib.kit.breaker import BreakerOpen, Breakers, BreakerSettings
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.discovery import (
    Failover,
    LeastOutstanding,
    NoInstances,
    RetryBudget,
    RoundRobin,
    StaticInstances,
)
from workbook_lib.kit.errors import Conflict, ServiceError, Unavailable


class Instances:
    """Instances of which some are down; keeps who was called."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.called: list[str] = []

    async def __call__(self, instance: Instance) -> str:
        self.called.append(instance.id)
        await asyncio.sleep(0)
        if instance.id in self.down:
            raise Unavailable(f"{instance.id} is down")
        return instance.id


def always(_: ServiceError) -> bool:
    return True


def never(_: ServiceError) -> bool:
    return False


async def test_a_failed_call_goes_to_another_instance() -> None:
    service = Instances("a")
    failover = Failover(RoundRobin(Known("a", "b")), retries=1)
    assert await failover.call(service, always) == "b"
    assert (service.called, failover.retried) == (["a", "b"], 1)


async def test_no_instance_is_tried_twice_while_another_is_there() -> None:
    service = Instances("a", "b", "c")
    failover = Failover(RoundRobin(Known("a", "b", "c", "d")), retries=3)
    assert await failover.call(service, always) == "d"
    assert len(service.called) == len(set(service.called))


async def test_when_all_were_tried_it_starts_over_after_a_pause() -> None:
    clock = ManualClock()
    service = Instances("a", "b")
    failover = Failover(RoundRobin(Known("a", "b")), retries=4, clock=clock)
    task = asyncio.create_task(failover.call(service, always))
    await clock.advance(0)
    assert service.called == ["a", "b"]
    service.down.clear()
    await clock.advance(0.03)
    assert await task in {"a", "b"}


@pytest.mark.parametrize("retries", [0, 1, 2])
async def test_it_is_sent_once_and_at_most_so_many_times_more(retries: int) -> None:
    service = Instances("a", "b", "c", "d")
    failover = Failover(RoundRobin(Known("a", "b", "c", "d")), retries=retries)
    with pytest.raises(Unavailable, match="is down"):
        await failover.call(service, always)
    assert len(service.called) == 1 + retries


async def test_what_another_instance_cannot_help_is_raised_at_once() -> None:
    service = Instances("a")
    failover = Failover(RoundRobin(Known("a", "b")), retries=2)
    with pytest.raises(Unavailable, match="a is down"):
        await failover.call(service, never)
    assert service.called == ["a"]


async def test_what_is_no_error_of_a_service_is_nobodys_to_repeat() -> None:
    async def broken(_: Instance) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Failover(RoundRobin(Known("a", "b")), retries=2).call(broken, always)


async def test_without_a_budget_left_the_error_is_raised() -> None:
    service = Instances("a", "b")
    budget = RetryBudget(0.5, min_per_second=0)
    failover = Failover(RoundRobin(Known("a", "b")), retries=1, budget=budget)
    for _ in range(10):
        with pytest.raises(Unavailable):
            await failover.call(service, always)
    assert (len(service.called), failover.retried) == (15, 5)


async def test_after_the_deadline_nothing_is_sent_again() -> None:
    clock = ManualClock()
    service = Instances("a")
    failover = Failover(RoundRobin(Known("a", "b")), retries=2, clock=clock)
    with pytest.raises(Unavailable):
        await failover.call(service, always, deadline=clock.monotonic())
    assert service.called == ["a"]


async def test_one_that_has_failed_is_left_alone_for_a_second_while_others_are_there() -> None:
    clock = ManualClock()
    service = Instances("b")
    failover = Failover(RoundRobin(Known("a", "b", "c")), retries=1, clock=clock)
    answered = Counter([await failover.call(service, always) for _ in range(1000)])
    assert (service.called.count("b"), failover.retried) == (1, 1)
    assert abs(answered["a"] - answered["c"]) <= 2
    await clock.advance(1)
    service.down.clear()
    assert {await failover.call(service, always) for _ in range(3)} == {"a", "b", "c"}


async def test_all_at_rest_are_called_all_the_same() -> None:
    service = Instances("a", "b")
    failover = Failover(RoundRobin(Known("a", "b")), retries=1)
    with pytest.raises(Unavailable):
        await failover.call(service, always)
    service.down.clear()
    assert await failover.call(service, always) in {"a", "b"}


async def test_without_retries_the_turns_stay_exact_whatever_fails() -> None:
    service = Instances("b")
    failover = Failover(RoundRobin(Known("a", "b")))
    for _ in range(3):
        await failover.call(service, always)
        with pytest.raises(Unavailable):
            await failover.call(service, always)
    assert service.called == ["a", "b"] * 3


async def test_an_instance_that_leaves_meanwhile_is_not_missed() -> None:
    known = Known("a", "b")
    failover = Failover(RoundRobin(known), retries=2)

    async def leaving(instance: Instance) -> str:
        known.set()
        raise Unavailable("gone")

    with pytest.raises(NoInstances):
        await failover.call(leaving, always)


async def test_a_cancelled_call_gives_its_place_back() -> None:
    balancer = LeastOutstanding(Known("a", "b"))
    started = asyncio.Event()

    async def hanging(instance: Instance) -> str:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(Failover(balancer, retries=2).call(hanging, always))
    await started.wait()
    assert sum(balancer.outstanding.values()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert balancer.outstanding == {}


async def test_an_instance_with_an_open_breaker_is_passed_over_without_a_retry() -> None:
    breakers = Breakers(BreakerSettings(request_volume_threshold=2, timeout_seconds=None))
    service = Instances("b")
    failover = Failover(RoundRobin(Known("a", "b", "c")), retries=0, breakers=breakers)
    outcomes: Counter[str] = Counter()
    for _ in range(60):
        try:
            outcomes[await failover.call(service, always)] += 1
        except Unavailable:
            outcomes["failed"] += 1
    assert breakers.of("shop@b").state == "open"
    assert (outcomes["failed"], failover.retried) == (2, 0)
    assert abs(outcomes["a"] - outcomes["c"]) <= 2


async def test_when_every_breaker_rejects_nothing_is_sent() -> None:
    breakers = Breakers(BreakerSettings(request_volume_threshold=1, timeout_seconds=None))
    service = Instances("a", "b")
    failover = Failover(RoundRobin(Known("a", "b")), retries=1, breakers=breakers)
    with pytest.raises(Unavailable, match="is down"):
        await failover.call(service, always)
    sent = len(service.called)
    with pytest.raises(BreakerOpen):
        await failover.call(service, always)
    assert len(service.called) == sent


async def test_a_callers_own_error_opens_no_breaker_and_is_not_sent_again() -> None:
    breakers = Breakers(BreakerSettings(request_volume_threshold=1, timeout_seconds=None))

    async def conflicting(_: Instance) -> str:
        raise Conflict("none left")

    failover = Failover(RoundRobin(Known("a")), retries=1, breakers=breakers)
    for _ in range(5):
        with pytest.raises(Conflict):
            await failover.call(conflicting, never)
    assert breakers.of("shop@a").state == "closed"


def test_negative_retries_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Failover(StaticInstances.at("127.0.0.1:1"), retries=-1)


async def test_each_attempt_is_told_with_its_instance_time_and_error_also_one_that_a_retry_hides() -> None:
    clock = ManualClock()
    told: list[tuple[str, float, str]] = []
    failover = Failover(
        RoundRobin(Known("a", "b")),
        retries=1,
        observe=lambda instance, seconds, error: told.append((instance.id, seconds, type(error).__name__)),
        clock=clock,
    )

    async def attempt(instance: Instance) -> str:
        await clock.sleep(0.5 if instance.id == "a" else 0.25)
        if instance.id == "a":
            raise Unavailable("a is down")
        return instance.id

    call = asyncio.create_task(failover.call(attempt, always))
    await clock.advance(1)
    assert await call == "b"
    assert told == [("a", 0.5, "Unavailable"), ("b", 0.25, "NoneType")]


async def test_an_attempt_that_is_given_up_is_told_as_late_and_one_that_a_breaker_refused_is_not_told() -> (
    None
):
    told: list[tuple[str, str]] = []
    failover = Failover(
        RoundRobin(Known("a")),
        breakers=Breakers(BreakerSettings(request_volume_threshold=1, timeout_seconds=0.01)),
        observe=lambda instance, _, error: told.append((instance.id, type(error).__name__)),
    )

    async def hangs(_: Instance) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ServiceError):
        await failover.call(hangs, never)
    assert told == [("a", "DeadlineExceeded")]
    with pytest.raises(BreakerOpen):
        await failover.call(hangs, never)
    assert len(told) == 1
