"""Shares as weights in a real Consul: what callers are handed out, and what survives a new registration."""

import uuid
from collections.abc import AsyncIterator

import pytest

from workbook_lib.kit.canary import ConsulSplit
from workbook_lib.kit.consul import Consul, Registration

pytestmark = pytest.mark.server


@pytest.fixture
async def consul(consul_url: str) -> AsyncIterator[Consul]:
    async with Consul(consul_url, timeout_seconds=10) as consul:
        yield consul


@pytest.fixture
def name() -> str:
    return f"service-{uuid.uuid4().hex[:8]}"


def one(name: str, version: str, number: int = 1, weight: int = 1000) -> Registration:
    return Registration(
        id=f"{name}-{version}-{number}",
        service=name,
        address="127.0.0.1",
        port=9000 + number,
        meta={"version": version},
        weight=weight,
    )


async def handed_out(consul: Consul, name: str) -> dict[str, int]:
    """By id without the service's name, the weights of those that callers may call."""
    passing = (await consul.health(name, consistent=True)).value
    return {each.id.removeprefix(f"{name}-"): each.weight for each in passing}


async def test_a_share_is_divided_among_the_instances_of_its_version(consul: Consul, name: str) -> None:
    for registration in (one(name, "v1", 1), one(name, "v1", 2), one(name, "v2", weight=1)):
        await consul.register(registration)
    split = ConsulSplit(consul, name, baseline="v1", canary="v2")
    for percent, theirs, its in [(5, 4750, 500), (25, 3750, 2500), (50, 2500, 5000)]:
        await split.set_share(percent)
        assert await handed_out(consul, name) == {"v1-1": theirs, "v1-2": theirs, "v2-1": its}
    assert await split.keep()


async def test_all_calls_leave_the_baseline_in_maintenance_and_taking_back_is_the_reverse(
    consul: Consul, name: str
) -> None:
    await consul.register(one(name, "v1"))
    await consul.register(one(name, "v2", weight=1))
    split = ConsulSplit(consul, name, baseline="v1", canary="v2")
    await split.set_share(100)
    assert list(await handed_out(consul, name)) == ["v2-1"]
    await split.take_back("worse: slow")
    assert await handed_out(consul, name) == {"v1-1": 10_000}
    assert not await split.keep()
    assert (await consul.statuses(name)).value == {f"{name}-v1-1": "passing", f"{name}-v2-1": "critical"}
    await split.set_share(5)
    assert await handed_out(consul, name) == {"v1-1": 9500, "v2-1": 500}, "a second try is possible"


async def test_an_instance_that_registers_anew_is_given_its_share_again_and_one_taken_back_stays_away(
    consul: Consul, name: str
) -> None:
    for registration in (one(name, "v1"), one(name, "v2")):
        await consul.register(registration)
    split = ConsulSplit(consul, name, baseline="v1", canary="v2")
    await split.set_share(5)
    await consul.register(one(name, "v1"))
    assert await handed_out(consul, name) == {"v1-1": 1000, "v2-1": 500}
    assert await split.keep()
    assert await handed_out(consul, name) == {"v1-1": 9500, "v2-1": 500}
    await split.take_back("worse: failed")
    await consul.register(one(name, "v2"))
    assert list(await handed_out(consul, name)) == ["v1-1"]
