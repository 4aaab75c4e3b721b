"""Rules of "Discovery and balancing" for instances.

"On a discovery error the last known good instances stay in use (with their age exposed); empty is an error of
its own. Round robin is exact under no change (1-1-1, 2-2-2) and safe under concurrency."
"""

import asyncio
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbook_lib.kit.clock import SYSTEM_CLOCK, ManualClock
from workbook_lib.kit.consul import Consul, Instance, Registration
from workbook_lib.kit.discovery import NoInstances, RoundRobin, StaticInstances, Subscriber
from workbook_lib.kit.errors import Unavailable
from workbook_lib.lab import Lab


class Known:
    """A subscriber's face with instances that the test sets."""

    def __init__(self, *ids: str) -> None:
        self.service = "shop"
        self.age_seconds: float | None = 0.0
        self.instances: Sequence[Instance] = ()
        self.set(*ids)

    def set(self, *ids: str) -> None:
        self.instances = tuple(Instance(name, self.service, "127.0.0.1", 80) for name in ids)


@pytest.fixture
async def consul(consul_url: str) -> AsyncIterator[Consul]:
    async with Consul(consul_url) as consul:
        yield consul


@pytest.fixture
def service() -> str:
    return f"service-{uuid.uuid4().hex[:8]}"


async def register(consul: Consul, service: str, number: int) -> None:
    instance = Registration(
        id=f"{service}-{number}", service=service, address="127.0.0.1", port=9000 + number
    )
    await consul.register(instance)


async def until(subscriber: Subscriber, count: int) -> None:
    async with asyncio.timeout(5):
        while len(subscriber.instances) != count:  # noqa: ASYNC110 - only Consul knows when
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("each", [1, 2, 100])
def test_round_robin_is_exact_while_nothing_changes(each: int) -> None:
    balancer = RoundRobin(Known("a", "b", "c"))
    taken = [balancer.next().id for _ in range(3 * each)]
    assert taken == ["a", "b", "c"] * each


def test_round_robin_is_exact_when_many_threads_call_at_once() -> None:
    balancer = RoundRobin(Known("a", "b", "c"))
    with ThreadPoolExecutor(16) as threads:
        taken = Counter(threads.map(lambda _: balancer.next().id, range(3000)))
    assert taken == {"a": 1000, "b": 1000, "c": 1000}


async def test_round_robin_is_exact_when_many_tasks_call_at_once() -> None:
    balancer = StaticInstances.at("a:1", "b:1", "c:1")

    async def call() -> str:
        await asyncio.sleep(0)
        return balancer.next().address

    taken = Counter(await asyncio.gather(*(call() for _ in range(300))))
    assert taken == {"a": 100, "b": 100, "c": 100}


def test_who_comes_is_called_and_who_leaves_is_not() -> None:
    known = Known("a", "b")
    balancer = RoundRobin(known)
    balancer.next()
    known.set("b", "c", "d")
    assert sorted(balancer.next().id for _ in range(3)) == ["b", "c", "d"]
    assert [instance.id for instance in balancer.instances] == ["b", "c", "d"]


def test_no_instance_is_an_error_that_tells_why() -> None:
    known = Known()
    with pytest.raises(NoInstances, match="none passes its health check"):
        RoundRobin(known).next()
    known.age_seconds = None
    with pytest.raises(NoInstances, match="Consul hasn't answered yet"):
        RoundRobin(known).next()
    assert issubclass(NoInstances, Unavailable)


def test_a_fixed_list_may_not_be_empty() -> None:
    with pytest.raises(ValueError, match="at least one"):
        StaticInstances([])


def test_a_fixed_list_takes_turns() -> None:
    fixed = StaticInstances.at("http://127.0.0.1:8081", "127.0.0.1:8082")
    assert [fixed.next().port for _ in range(4)] == [8081, 8082, 8081, 8082]


async def test_a_subscriber_knows_the_instances_once_started_and_follows_changes(
    consul: Consul, service: str
) -> None:
    await register(consul, service, 1)
    subscriber = Subscriber(consul, service)
    assert subscriber.age_seconds is None
    await subscriber.start()
    await subscriber.start()
    try:
        assert [instance.id for instance in subscriber.instances] == [f"{service}-1"]
        assert subscriber.age_seconds is not None
        assert subscriber.age_seconds < 1
        await register(consul, service, 2)
        await until(subscriber, 2)
        await consul.deregister(f"{service}-1")
        await consul.deregister(f"{service}-2")
        await until(subscriber, 0)
    finally:
        await subscriber.stop()


async def test_a_stop_ends_the_watch_in_under_a_second_and_can_be_repeated(
    consul: Consul, service: str
) -> None:
    subscriber = Subscriber(consul, service)
    await subscriber.stop()
    await subscriber.start()
    await asyncio.sleep(0.3)  # well inside a blocking query
    started = time.monotonic()
    await subscriber.stop()
    await subscriber.stop()
    assert time.monotonic() - started < 1


async def test_a_start_without_consul_goes_on_after_its_bound() -> None:
    async with Consul("127.0.0.1:1") as away:
        subscriber = Subscriber(away, "shop", start_timeout_seconds=0.2)
        started = time.monotonic()
        await subscriber.start()
        assert 0.2 <= time.monotonic() - started < 1
        with pytest.raises(NoInstances, match="hasn't answered"):
            RoundRobin(subscriber).next()
        await subscriber.stop()


async def test_the_last_known_good_instances_stay_in_use_while_consul_is_away(tmp_path: Path) -> None:
    async with Lab("discovery", root=tmp_path) as lab:
        await lab.start("consul")
        consul = Consul(lab["consul"].environment["CONSUL_HTTP_ADDR"])
        await register(consul, "shop", 1)
        subscriber = Subscriber(consul, "shop")
        await subscriber.start()
        os.kill(lab["consul"].pid, signal.SIGKILL)
        await asyncio.sleep(1.2)

        assert RoundRobin(subscriber).next().id == "shop-1"
        assert subscriber.age_seconds is not None
        assert subscriber.age_seconds > 1
        started = time.monotonic()
        await subscriber.stop()
        await consul.stop()
        assert time.monotonic() - started < 1


async def test_the_age_is_measured_from_consuls_last_answer(consul: Consul, service: str) -> None:
    class Stopwatch(ManualClock):
        """Stands still but for the pauses of the watch, which are the machine's."""

        async def sleep(self, seconds: float) -> None:
            await SYSTEM_CLOCK.sleep(seconds)

    clock = Stopwatch()
    subscriber = Subscriber(consul, service, clock=clock)
    await subscriber.start()
    await clock.advance(40)
    assert subscriber.age_seconds == 40
    await register(consul, service, 1)
    await until(subscriber, 1)
    assert subscriber.age_seconds == 0
    await subscriber.stop()
    await consul.deregister(f"{service}-1")
