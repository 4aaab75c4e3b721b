"""Rules of "Discovery and balancing" for what a caller knows of a service.

"On a discovery error the last known good instances stay in use (with their age exposed)."
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workbook_lib.kit.clock import SYSTEM_CLOCK, ManualClock, SystemClock
from workbook_lib.kit.consul import Consul, Registration
from workbook_lib.kit.discovery import NoInstances, RoundRobin, Subscriber
from workbook_lib.kit.http import HttpClient
from workbook_lib.lab import Lab, evidence, faults


@pytest.fixture
async def consul(consul_url: str) -> AsyncIterator[Consul]:
    async with Consul(consul_url, timeout_seconds=20) as consul:
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
    async with asyncio.timeout(20):
        while len(subscriber.instances) != count:  # noqa: ASYNC110 - only Consul knows when
            await asyncio.sleep(0.01)


async def test_a_subscriber_knows_the_instances_once_started_and_follows_changes(
    consul: Consul, service: str
) -> None:
    await register(consul, service, 1)
    subscriber = Subscriber(consul, service, start_timeout_seconds=20)
    assert subscriber.age_seconds is None
    started = time.monotonic()
    await subscriber.start()
    await subscriber.start()
    try:
        assert [instance.id for instance in subscriber.instances] == [f"{service}-1"]
        assert subscriber.age_seconds is not None
        assert subscriber.age_seconds <= time.monotonic() - started
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
        subscriber = Subscriber(away, "shop", start_timeout_seconds=2.5)  # longer than it is by default
        started = time.monotonic()
        await subscriber.start()
        assert 2.5 <= time.monotonic() - started < 20
        with pytest.raises(NoInstances, match="hasn't answered"):
            RoundRobin(subscriber).next()
        await subscriber.stop()


class Hasty(SystemClock):
    """Twenty seconds pass in each second."""

    def monotonic(self) -> float:
        return super().monotonic() * 20

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 20)


async def test_while_consul_is_down_for_30_seconds_calls_go_on_with_the_last_known_instances(
    tmp_path: Path,
) -> None:
    async with Lab("discovery", root=tmp_path) as lab:
        await lab.start("consul", "welcome")
        clock = Hasty()
        consul = Consul(lab["consul"].url, clock=clock)
        subscriber = Subscriber(consul, "welcome", clock=clock)
        client = HttpClient(RoundRobin(subscriber), timeout_seconds=10)
        await subscriber.start()
        await client.start()
        await evidence.eventually(lambda: subscriber.instances)  # it registers when it answers already
        await faults.kill(lab["consul"])
        down, calls = clock.monotonic(), 0
        while clock.monotonic() - down < 30 or calls <= 10:
            assert (await client.get("/still-here")).status_code == 200
            calls += 1
        assert subscriber.age_seconds is not None
        assert subscriber.age_seconds >= 30
        started = time.monotonic()
        await subscriber.stop()
        assert time.monotonic() - started < 1
        await client.stop()
        await consul.stop()


async def test_the_age_is_measured_from_consuls_last_answer(consul: Consul, service: str) -> None:
    class Stopwatch(ManualClock):
        """Stands still but for the pauses of the watch, which are the machine's."""

        async def sleep(self, seconds: float) -> None:
            await SYSTEM_CLOCK.sleep(seconds)

    clock = Stopwatch()
    subscriber = Subscriber(consul, service, start_timeout_seconds=20, clock=clock)
    await subscriber.start()
    await clock.advance(40)
    assert subscriber.age_seconds == 40
    await register(consul, service, 1)
    await until(subscriber, 1)
    assert subscriber.age_seconds == 0
    await subscriber.stop()
    await consul.deregister(f"{service}-1")
